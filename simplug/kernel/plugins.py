"""The plugin manager: loads the objects that implement hooks, one broken plugin at a time."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs

from simplug.kernel import entries
from simplug.kernel.errors import PluginError, did_you_mean
from simplug.kernel.kinds import HOOK_GROUP

if TYPE_CHECKING:
    import pluggy

TRACE_VARIABLE = "SIMPLUG_TRACE"


class PluginWarning(UserWarning):
    """A plugin was skipped; everything else goes on."""


@attrs.define
class Plugins:
    """The plugin objects of this process.

    The pluggy manager is made at first use, so that importing simplug costs neither pluggy nor a scan.
    """

    _manager: pluggy.PluginManager | None = attrs.field(default=None, init=False)
    _registered: list[tuple[str, object]] = attrs.field(factory=list, init=False)

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
        return name

    def unregister(self, plugin: object) -> None:
        """Take a plugin object away again."""
        self._ready().unregister(plugin)
        self._registered = [pair for pair in self._registered if pair[1] is not plugin]

    def load_file(self, path: str | os.PathLike[str]) -> ModuleType:
        """Run a Python file as a plugin: its hook implementations and its registrations count in this process.

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
        except Exception as cause:
            del sys.modules[name]
            raise PluginError(f"plugin file {path}: {type(cause).__name__}: {cause}") from cause
        self.register(module, str(path))
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
        return bool(getattr(self.hook, hook).get_hookimpls())

    def names(self) -> list[str]:
        """Return the names of the plugin objects that are loaded."""
        return [name for name, plugin in self._ready().list_name_plugin() if plugin is not None]

    def provider_of(self, plugin: object) -> str:
        """Return the name under which a plugin object was loaded."""
        return self._ready().get_name(plugin) or repr(plugin)

    def registrations(self, hook: str) -> Iterator[tuple[str, str, type]]:
        """Ask a registering hook of each plugin; yield provider, name and class.

        A plugin that raises is reported by a warning and skipped; the others still count.
        """
        for implementation in getattr(self.hook, hook).get_hookimpls():
            found: list[tuple[str, type]] = []

            def collect(name: str, cls: type, into: list[tuple[str, type]] = found) -> None:
                into.append((name, cls))

            try:
                implementation.function(*([collect] if implementation.argnames else []))
            except Exception as cause:
                _warn(f"plugin {implementation.plugin_name} failed in {hook}: {type(cause).__name__}: {cause}")
                continue
            provider = implementation.plugin_name.partition(":")[0]
            yield from ((provider, name, cls) for name, cls in found)

    def reset(self) -> None:
        """Forget the manager; it is made again, with the objects registered by hand, at the next use."""
        self._manager = None

    def _ready(self) -> pluggy.PluginManager:
        if self._manager is None:
            import pluggy

            from simplug.kernel.hooks import EventHooks, RegisteringHooks

            manager = pluggy.PluginManager("simplug")
            manager.add_hookspecs(RegisteringHooks)
            manager.add_hookspecs(EventHooks)
            if os.environ.get(TRACE_VARIABLE, "") not in ("", "0"):
                manager.add_hookcall_monitoring(_print_before, _print_after)
            for entry in entries.scan().open.get(HOOK_GROUP, ()):
                self._add_entry(manager, entry)
            for name, plugin in self._registered:
                self._add(manager, plugin, name)
            self._manager = manager
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
            raise PluginError(f"plugin {name} implements '{caller.name}', which is no hook of simplug"
                              f"{did_you_mean(caller.name, known)}")


def _warn(text: str) -> None:
    warnings.warn(text, PluginWarning, stacklevel=2)


def _print_before(hook_name: str, methods: list[Any], kwargs: dict[str, Any]) -> None:
    arguments = ", ".join(f"{name}={value!r:.200}" for name, value in kwargs.items())
    listeners = ", ".join(method.plugin_name for method in methods) or "nobody"
    print(f"simplug trace: {hook_name}({arguments}) to {listeners}", file=sys.stderr)


def _print_after(outcome: Any, hook_name: str, methods: list[Any], kwargs: dict[str, Any]) -> None:
    if outcome.exception is not None:
        print(f"simplug trace: {hook_name} raised {outcome.exception!r}", file=sys.stderr)
    elif methods:
        print(f"simplug trace: {hook_name} gave {outcome.get_result()!r:.200}", file=sys.stderr)


plugins = Plugins()
"""The plugin objects of this process, also reachable as ``simplug.plugins``."""
