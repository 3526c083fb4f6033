"""The plugin manager: loads the objects that implement hooks, one broken plugin at a time."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs

from simplug.kernel import entries
from simplug.kernel.errors import PluginError, SimplugWarning, did_you_mean
from simplug.kernel.kinds import HOOK_GROUP

if TYPE_CHECKING:
    import pluggy

TRACE_VARIABLE = "SIMPLUG_TRACE"


class PluginWarning(SimplugWarning):
    """A plugin was skipped; everything else goes on."""


@attrs.define
class Plugins:
    """The plugin objects of this process.

    The pluggy manager is made at first use, so that importing simplug costs neither pluggy nor a scan.
    """

    _manager: pluggy.PluginManager | None = attrs.field(default=None, init=False)
    _registered: list[tuple[str, object]] = attrs.field(factory=list, init=False)
    changes: int = attrs.field(default=0, init=False)
    """How often the set of plugin objects has changed; what was asked of them before is out of date."""

    _heard: dict[str, bool] = attrs.field(factory=dict, init=False)
    _heard_at: int = attrs.field(default=0, init=False)

    @property
    def hook(self) -> Any:
        """The hooks by name; calling one calls every implementation, with keyword arguments."""
        return self._ready().hook

    def register(self, plugin: object, name: str | None = None) -> str:
        """Add a plugin object (an instance or a module) to this process and return its name.

        Raises:
            PluginError: It is registered already, or it implements a hook that does not exist or with arguments
                that the hook does not have.
        """
        name = name or getattr(plugin, "__name__", None) or f"{type(plugin).__qualname__}-{id(plugin):x}"
        if isinstance(plugin, type):
            raise PluginError(f"plugin {name} is a class; register an instance: {name}()")
        self._add(self._ready(), plugin, name)
        self._registered.append((name, plugin))
        self.changes += 1
        return name

    def unregister(self, plugin: object) -> None:
        """Take a plugin object away again.

        Raises:
            PluginError: It is not registered.
        """
        manager = self._ready()
        if not manager.is_registered(plugin):
            raise PluginError(f"plugin {plugin!r} is not registered")
        manager.unregister(plugin)
        self._registered = [pair for pair in self._registered if pair[1] is not plugin]
        self.changes += 1

    def load_file(self, path: str | os.PathLike[str]) -> ModuleType:
        """Run a Python file as a plugin: its hook implementations and its registrations count in this process.

        Running the same file again, as notebooks do, replaces its hook implementations.

        Raises:
            PluginError: The file cannot be read or run, or misspells a hook.
        """
        path = Path(path)
        if not path.is_file():
            raise PluginError(f"plugin file {path}: there is no such file")
        name = f"simplug_plugin_file_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise PluginError(f"plugin file {path}: not a Python file (its name must end in .py)")
        module = importlib.util.module_from_spec(spec)
        # Classes of the file find their module by name, as attrs needs to resolve their annotations.
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            earlier = self._ready().get_plugin(str(path))
            if earlier is not None:
                self.unregister(earlier)
            self.register(module, str(path))
        except Exception as cause:
            del sys.modules[name]
            if isinstance(cause, PluginError):
                raise
            raise PluginError(f"plugin file {path}: {type(cause).__name__}: {cause}") from cause
        return module

    def check_pending(self) -> None:
        """Raise when an implementation matches no hook.

        Raises:
            PluginError: A plugin implements a hook that does not exist.
        """
        manager = self._ready()
        for name, plugin in manager.list_name_plugin():
            if plugin is not None:
                _refuse_unknown_hooks(manager, plugin, name)

    def listens(self, hook: str) -> bool:
        """Say whether any plugin implements `hook`, so that hot paths pay for no call."""
        if self._heard_at != self.changes:
            self._heard, self._heard_at = {}, self.changes
        heard = self._heard.get(hook)
        if heard is None:
            heard = self._heard[hook] = bool(getattr(self.hook, hook).get_hookimpls())
        return heard

    def names(self) -> list[str]:
        """Return the names of the plugin objects that are loaded."""
        return [name for name, plugin in self._ready().list_name_plugin() if plugin is not None]

    def registrations(self, hook: str) -> Iterator[tuple[str, str, str, type]]:
        """Ask a registering hook of each plugin; yield provider, its version where it has one, name and class.

        A plugin that raises is reported by a warning and skipped whole; the others still count.
        """
        versions = {entry.qualified: entry.version for entry in entries.scan().open.get(HOOK_GROUP, ())}
        # Each implementation is called by itself: who registers what must be known, and one may fail alone.
        for implementation in getattr(self.hook, hook).get_hookimpls():
            plugin_name = implementation.plugin_name
            found: list[tuple[str, type]] = []

            def collect(name: str, cls: type, into: list[tuple[str, type]] = found) -> None:
                entries.check_name(name)
                into.append((name, cls))

            try:
                implementation.function(*([collect] if implementation.argnames else []))
            except Exception as cause:
                _warn(f"plugin {plugin_name} is skipped in {hook}: {type(cause).__name__}: {cause}")
                continue
            if _traced():
                _trace(f"{hook} by {plugin_name} gave {', '.join(name for name, _ in found) or 'nothing'}")
            version = versions.get(plugin_name)
            provider = plugin_name if version is None else plugin_name.partition(":")[0]
            yield from ((provider, version or "", name, cls) for name, cls in found)

    def reset(self) -> None:
        """Forget the manager; it is made again, with the objects registered by hand, at the next use."""
        self._manager = None
        self.changes += 1

    def _ready(self) -> pluggy.PluginManager:
        if self._manager is None:
            import pluggy

            from simplug.kernel.hooks import EventHooks, RegisteringHooks

            manager = pluggy.PluginManager("simplug")
            manager.add_hookspecs(RegisteringHooks)
            manager.add_hookspecs(EventHooks)
            if _traced():
                manager.add_hookcall_monitoring(_trace_before, _trace_after)
            found, by_hand = entries.scan().open.get(HOOK_GROUP, ()), tuple(self._registered)
            # Set before the plugins are imported: one of them may register an object as it is imported.
            self._manager = manager
            for entry in found:
                self._add_entry(manager, entry)
            for name, plugin in by_hand:
                self._add(manager, plugin, name)
        return self._manager

    def _add_entry(self, manager: pluggy.PluginManager, entry: entries.Entry) -> None:
        unmet = entries.unmet_requirement(entry.requires)
        if unmet is not None:
            _warn(f"plugin {entry.qualified} is skipped: {entry.provider} needs {unmet}")
            return
        try:
            self._add(manager, entry.load(), entry.qualified)
        except Exception as cause:
            _warn(f"plugin {entry.qualified} is skipped: {type(cause).__name__}: {cause}")

    @staticmethod
    def _add(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
        import pluggy

        try:
            manager.register(plugin, name=name)
        except pluggy.PluginValidationError as cause:
            if manager.is_registered(plugin):
                manager.unregister(plugin)
            raise PluginError(f"plugin {name}: {cause}") from cause
        except ValueError as cause:
            raise PluginError(f"plugin {name} is registered already") from cause
        try:
            _refuse_unknown_hooks(manager, plugin, name)
        except PluginError:
            manager.unregister(plugin)
            raise


def _refuse_unknown_hooks(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    known = [hook for hook in vars(manager.hook) if getattr(manager.hook, hook).has_spec()]
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            hint = did_you_mean(caller.name, known)
            raise PluginError(f"plugin {name} implements '{caller.name}', which is no hook of simplug{hint}")


def _warn(text: str) -> None:
    warnings.warn(text, PluginWarning, stacklevel=2)


def _traced() -> bool:
    return os.environ.get(TRACE_VARIABLE, "") not in ("", "0")


def _trace(text: str) -> None:
    print(f"simplug trace: {text}", file=sys.stderr)


def _trace_before(hook_name: str, methods: Sequence[pluggy.HookImpl], kwargs: Mapping[str, Any]) -> None:
    arguments = ", ".join(f"{name}={_short(value)}" for name, value in kwargs.items())
    listeners = ", ".join(method.plugin_name for method in methods) or "nobody"
    _trace(f"{hook_name}({arguments}) to {listeners}")


def _trace_after(
    outcome: pluggy.Result[Any], hook_name: str, methods: Sequence[pluggy.HookImpl], kwargs: Mapping[str, Any]
) -> None:
    if outcome.exception is not None:
        _trace(f"{hook_name} raised {outcome.exception!r}")
    elif methods:
        _trace(f"{hook_name} gave {_short(outcome.get_result())}")


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else f"{text[:200]}…"


plugins = Plugins()
"""The plugin objects of this process, also reachable as ``simplug.plugins``."""
