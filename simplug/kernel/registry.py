"""Registries: the components of one kind, found by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

from simplug.kernel import entries
from simplug.kernel.component import Component, fields_of
from simplug.kernel.entries import RUNTIME, Entry, check_name
from simplug.kernel.errors import (
    AmbiguousComponentError,
    BlockedComponentError,
    ComponentError,
    NotAComponentError,
    SimplugError,
    UnknownComponentError,
    did_you_mean,
)
from simplug.kernel.kinds import KINDS, Kind
from simplug.kernel.plugins import plugins

T = TypeVar("T", bound=Component)
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """The components of one kind.

    Names come from the entry points of installed distributions, from :meth:`register`, and, when those do not have a
    name, from the kind's registering hook. Nothing is imported before it is asked for by name.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._runtime: dict[str, Entry] = {}
        self._hooked: tuple[Entry, ...] = ()
        self._hooked_at = -1
        self._classes: dict[Entry, type[T]] = {}

    def __repr__(self) -> str:
        return f"<simplug.{self.kind.plural}: {len(self.names())} {self.kind.plural}>"

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._candidates(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> list[str]:
        """Return the names of all components that are known without asking hooks, sorted; imports nothing."""
        return sorted({entry.name for entry in self.entries()})

    def entries(self, *, load: bool = False) -> list[Entry]:
        """Return an entry for each provider of each name, sorted; blocked distributions are left out.

        Args:
            load: Also ask the registering hook, which imports plugins, for names only known at run time.
        """
        found = [*self._declared(), *self._runtime.values()]
        if load:
            found += self._ask_hooks()
        return sorted(found, key=lambda entry: (entry.name, entry.distribution))

    def entry(self, name: str) -> Entry:
        """Return the entry of `name`, or of ``dist:name``; imports no component.

        Raises:
            UnknownComponentError: Nothing has this name.
            AmbiguousComponentError: Several distributions have it.
            BlockedComponentError: Only blocked distributions have it.
        """
        found = self._candidates(name)
        if not found:
            for entry in entries.scan().blocked.get(self.kind.group, ()):
                if name in (entry.name, entry.qualified):
                    raise BlockedComponentError(self.kind, name, entry.distribution)
            raise UnknownComponentError(self.kind, name, self.names())
        if len(found) > 1:
            listing = sorted((entry.qualified, entry.target) for entry in found)
            raise AmbiguousComponentError(self.kind, name, listing)
        return found[0]

    def get(self, name: str) -> type[T]:
        """Import the component class of `name` and check that it is one.

        Raises:
            ComponentError: One of the six errors of :mod:`simplug.kernel.errors`.
        """
        entry = self.entry(name)
        if entry not in self._classes:
            cls = entry.load_component(self.kind)
            reason = self._not_a_component(cls)
            if reason:
                raise NotAComponentError(self.kind, entry.name, entry.target, entry.provider, reason)
            self._classes[entry] = cls
        return self._classes[entry]

    def build(self, config: str | Mapping[str, Any] | T, /, **options: Any) -> T:
        """Build a component.

        Args:
            config: A name, a ``{"name": …, …}`` table, or an instance, which passes through.
            **options: Settings that win over those of `config`.

        Raises:
            ConfigError: Settings that are unknown, of the wrong type or out of bounds, all of them at once.
            ComponentError: The name cannot be used.
        """
        # The walk over nested settings needs registries; it is imported when something is built.
        from simplug.kernel.config import build

        built: T = build(self.kind.name, config, options)
        return built

    def config_of(self, component: T) -> dict[str, Any]:
        """Return the table that builds an equal component: its name and every setting, defaults included."""
        from simplug.kernel.config import to_config

        return to_config(component)

    def name_of(self, cls: type) -> str:
        """Return the name under which a component class is known; ``dist:name`` where the name alone is ambiguous.

        Raises:
            UnknownComponentError: The class has no name: it is neither an entry point nor registered.
        """
        found = [entry for entry, known in self._classes.items() if known is cls]
        if not found:
            found = [entry for entry in self.entries() if self._points_to(entry, cls)]
        if not found:
            found = [entry for entry in self.entries(load=True) if self._loads(entry, cls)]
        if not found:
            raise UnknownComponentError(self.kind, f"{cls.__module__}:{cls.__qualname__}", self.names())
        entry = found[0]
        return entry.name if len(self._candidates(entry.name)) == 1 else entry.qualified

    @overload
    def register(self, name: str) -> Callable[[C], C]: ...
    @overload
    def register(self, name: str, cls: C) -> C: ...
    def register(self, name: str, cls: Any = None) -> Any:
        """Register a component class for this process, as a call or as a decorator.

        Running the same definition again, as notebooks do, replaces the class.

        Raises:
            SimplugError: The name is malformed, or taken.
            NotAComponentError: The class is no component of this kind.
        """
        if cls is None:
            return lambda decorated: self.register(name, decorated)
        check_name(name)
        entry = Entry(self.kind.group, name, _target(cls), RUNTIME, loaded=cls)
        reason = self._not_a_component(cls)
        if reason:
            raise NotAComponentError(self.kind, name, entry.target, RUNTIME, reason)
        taken = [known for known in self._candidates(name, hooks=False) if known.target != entry.target]
        if taken:
            raise SimplugError(
                f"{self.kind.name} '{name}' is taken by {taken[0].provider} ({taken[0].target}); choose another name"
            )
        self._classes = {known: loaded for known, loaded in self._classes.items() if known != entry}
        self._runtime[name] = entry
        return cls

    def unregister(self, name: str) -> None:
        """Take back what :meth:`register` added under `name`."""
        entry = self._runtime.pop(name, None)
        if entry is None:
            raise UnknownComponentError(self.kind, name, sorted(self._runtime))
        self._classes.pop(entry, None)

    def refresh(self) -> None:
        """Forget what was read from metadata and hooks; registrations of this process stay."""
        self._hooked_at = -1
        self._classes = {}

    def _declared(self) -> tuple[Entry, ...]:
        return entries.scan().open.get(self.kind.group, ())

    def _candidates(self, name: str, *, hooks: bool = True) -> list[Entry]:
        known = [*self._declared(), *self._runtime.values()]
        found = [entry for entry in known if name in (entry.name, entry.qualified)]
        if not found and hooks:
            found = [entry for entry in self._ask_hooks() if name in (entry.name, entry.qualified)]
        return found

    def _ask_hooks(self) -> tuple[Entry, ...]:
        """Return what the registering hook gave, asked once for each state of the plugin objects."""
        if self._hooked_at != plugins.changes:
            # An implementation may ask this registry itself; it then sees the names that are known without hooks.
            self._hooked, self._hooked_at = (), plugins.changes
            self._hooked = tuple(
                Entry(self.kind.group, name, _target(cls), provider, version, loaded=cls)
                for provider, version, name, cls in plugins.registrations(self.kind.hook)
            )
            # Read again: a plugin may register another one as it is imported.
            self._hooked_at = plugins.changes
        return self._hooked

    def _points_to(self, entry: Entry, cls: type) -> bool:
        return entry.load() is cls if entry.distribution == RUNTIME else entry.target == _target(cls)

    def _loads(self, entry: Entry, cls: type) -> bool:
        """Say whether importing an entry gives `cls`, as when a package re-exports it; broken entries do not."""
        try:
            return self.get(entry.qualified) is cls
        except ComponentError:
            return False

    def _not_a_component(self, cls: Any) -> str | None:
        contract = f"simplug.api.{self.kind.contract}"
        if not isinstance(cls, type):
            return f"it is {type(cls).__name__}, not a class; the entry point must name an attrs class"
        if not issubclass(cls, Component) or getattr(cls, "kind", None) != self.kind.name:
            return f"its class does not inherit from {contract}"
        if "__attrs_attrs__" not in vars(cls):
            return "its class is not an attrs class; decorate it with @attrs.frozen"
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        if missing:
            return f"its class does not define {', '.join(missing)}, which {contract} asks for"
        try:
            fields = fields_of(cls)
        except NameError as cause:
            return f"the type of a field cannot be resolved: {cause}"
        if any(field.alias == "name" for field in fields):
            return "its class has a field 'name', which configs use for the component's own name"
        return None


def _target(cls: Any) -> str:
    return f"{getattr(cls, '__module__', '?')}:{getattr(cls, '__qualname__', repr(cls))}"


REGISTRIES: dict[str, Registry[Any]] = {kind.name: Registry(kind) for kind in KINDS.values()}
"""The registry of each kind, by the kind's name."""


def registry_of(kind: str) -> Registry[Any]:
    """Return the registry of a kind, by the kind's name in the singular.

    Raises:
        SimplugError: There is no such kind.
    """
    if kind not in REGISTRIES:
        raise SimplugError(f"no kind named '{kind}'{did_you_mean(kind, REGISTRIES)}\nkinds: {', '.join(REGISTRIES)}")
    return REGISTRIES[kind]


def refresh() -> None:
    """Read the installed distributions again, as after an installation in a running notebook."""
    import importlib

    importlib.invalidate_caches()
    entries.scan.cache_clear()
    plugins.reset()
    for registry in REGISTRIES.values():
        registry.refresh()
