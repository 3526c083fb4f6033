"""The checks that every component passes, whatever its kind."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import math
import typing
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import attrs
import pytest
import tomlkit

from simplug.kernel.component import BOUNDS_KEY, DOC_KEY, fields_of
from simplug.kernel.config import build, to_config
from simplug.kernel.entries import RUNTIME, Entry
from simplug.kernel.errors import ConfigError
from simplug.kernel.registry import Registry, registry_of
from simplug.testing.fresh_process import run_fresh

HEAVY = ("PIL", "jax", "keras", "matplotlib", "pandas", "scipy", "sklearn", "tensorflow", "torch")
"""Packages that the module of a component does not import: they make every listing and every config check slow."""

PRIVATE = ("cli", "experiment", "index", "learn")
"""Parts of simplug that are no interface for plugins."""


class ComponentSuite:
    """The base of every suite.

    A subclass in a test module names one component; pytest then runs every check on it. A check cannot be taken out:
    what a component cannot do is named in `expected_failures`, with the reason, and is an error once it passes.

    Attributes:
        kind: The name of the kind, set by the suite of each kind.
        name: The name of the component: its entry point, or what it was registered as.
        config: Settings for the tests, if the defaults do not do; or a pytest fixture `config` that returns them.
        expected_failures: The reason, by the name of each check that must fail.
        number_of_checks: How many checks the suite has; it is compared with what is there.
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    config: Any = {}  # noqa: RUF012 - a mapping, never changed, or a fixture
    expected_failures: ClassVar[Mapping[str, str]] = {}
    number_of_checks: ClassVar[int] = 16

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        inherited = set().union(*(_checks_in(base) for base in cls.__mro__[1:]))
        replaced = sorted(inherited & set(vars(cls)))
        if replaced:
            raise TypeError(
                f"{cls.__name__} replaces {', '.join(replaced)}: the checks of a suite are fixed; "
                "name a check in expected_failures, with the reason"
            )
        if len(cls.checks()) != cls.number_of_checks:
            raise TypeError(f"{cls.__name__} has {len(cls.checks())} checks, not {cls.number_of_checks}")
        for check, reason in cls.expected_failures.items():
            if check not in cls.checks():
                raise TypeError(f"{cls.__name__}: expected_failures names '{check}', which is no check of the suite")
            if not (isinstance(reason, str) and reason.strip()):
                raise TypeError(f"{cls.__name__}: expected_failures['{check}'] needs a reason")
        if cls.__name__.startswith("Test") and not cls.name:
            raise TypeError(
                f'{cls.__name__} tests no component: write name = "the name of a {cls.kind or "component"}"'
            )

    @classmethod
    def checks(cls) -> frozenset[str]:
        """Return the names of the checks that the kit defines for this suite; a subclass may add tests of its own."""
        return frozenset().union(*(_checks_in(base) for base in cls.__mro__))

    @property
    def registry(self) -> Registry[Any]:
        """The registry of the kind."""
        return registry_of(self.kind)

    @pytest.fixture
    def settings(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        """The settings for the tests: the class attribute `config`, or the value of the fixture `config`."""
        given = self.config if isinstance(self.config, Mapping) else request.getfixturevalue("config")
        return dict(given)

    @pytest.fixture
    def table(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The table of the component, as a config has it."""
        return {"name": self.name, **settings}

    @pytest.fixture
    def component(self, table: dict[str, Any]) -> Any:
        """The component under test."""
        return self.registry.build(table)

    def test_the_name_has_exactly_one_provider(self) -> None:
        """The component is found by its name, and no two distributions provide it."""
        found = [entry.qualified for entry in self.registry.entries(load=True) if entry.name == self.name]
        assert len(found) == 1, f"{self.kind} '{self.name}' is provided by: {', '.join(found) or 'nobody'}"
        self.registry.get(self.name)

    def test_the_class_is_a_frozen_attrs_class(self, component: Any) -> None:
        """A component is a recipe: nothing about it changes."""
        assert "__attrs_attrs__" in vars(type(component)), "decorate the class with @attrs.frozen"
        field = next((field.name for field in attrs.fields(type(component))), "anything")
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(component, field, None)

    def test_the_docstring_opens_with_a_summary_sentence(self) -> None:
        """`simplug show` and the documentation print it."""
        doc = vars(self.registry.get(self.name)).get("__doc__") or ""
        summary = inspect.cleandoc(doc).partition("\n\n")[0]
        # attrs gives a class without a docstring none; a signature made by a dataclass-like tool is no sentence.
        assert summary.endswith("."), f"the docstring must open with a sentence, not {summary!r}"
        assert " " in summary, f"the docstring must open with a sentence, not {summary!r}"

    def test_importing_it_is_light(self) -> None:
        """Listing and checking configs must not wait for TensorFlow; heavy imports go into methods."""
        entry = self.registry.entry(self.name)
        heavy = () if _are_light(entry, self.registry) else _heavy_imports((entry,))
        assert not heavy, f"importing the module of {self.kind} '{self.name}' imports {', '.join(heavy)}"

    def test_it_uses_public_parts_of_simplug_only(self) -> None:
        """A plugin builds on :mod:`simplug.api`; the model, the index and the command line are free to change."""
        module = inspect.getmodule(self.registry.get(self.name))
        assert module is not None
        private = [
            name
            for name in _imported(inspect.getsource(module))
            if name.split(".")[:1] == ["simplug"] and name.split(".")[1:2] and name.split(".")[1] in PRIVATE
        ]
        assert not private, f"{module.__name__} imports {', '.join(private)}"

    def test_every_setting_is_documented(self) -> None:
        """Each field has a `doc`: one sentence on what it means."""
        fields = fields_of(self.registry.get(self.name))
        bare = [field.name for field in fields if not str(field.metadata.get(DOC_KEY, "")).strip()]
        assert not bare, f"settings without a doc: {', '.join(bare)}"

    def test_no_setting_is_called_name(self) -> None:
        """In a config, `name` chooses the component."""
        assert "name" not in [field.alias for field in fields_of(self.registry.get(self.name))]

    def test_it_is_built_by_its_name(self, component: Any, table: dict[str, Any]) -> None:
        """The name and the settings of the suite build it, and `simplug check` would accept them."""
        assert type(component) is self.registry.get(self.name)
        assert component.kind == self.kind
        if len(table) == 1:
            assert self.registry.build(self.name) == component

    def test_equal_settings_give_equal_components(self, component: Any, table: dict[str, Any]) -> None:
        """Two builds are equal, and so are their hashes where they have one."""
        again = self.registry.build(table)
        assert again == component
        if _is_hashable(component):
            assert hash(again) == hash(component)

    def test_its_config_builds_an_equal_component(self, component: Any) -> None:
        """`to_config` writes every field, and `build` reads it back."""
        config = to_config(component)
        assert set(config) == {"name", *(field.alias for field in fields_of(type(component)))}
        assert build(self.kind, config) == component

    def test_its_config_survives_json(self, component: Any) -> None:
        """Saved models and indexes keep configs as JSON."""
        text = json.dumps(to_config(component), allow_nan=False)
        assert build(self.kind, json.loads(text)) == component

    def test_its_config_survives_toml(self, component: Any) -> None:
        """Runs keep their resolved config as TOML."""
        text = tomlkit.dumps(to_config(component))
        assert build(self.kind, tomlkit.parse(text).unwrap()) == component

    def test_its_repr_is_readable(self, component: Any) -> None:
        """It starts with the name of the class and shows every setting, no address in memory."""
        text = repr(component)
        assert text.startswith(f"{type(component).__name__}("), text
        assert " at 0x" not in text, text
        hidden = [field.name for field in attrs.fields(type(component)) if f"{field.name}=" not in text]
        assert not hidden, f"{text} does not show {', '.join(hidden)}"

    def test_an_unknown_setting_is_refused(self, table: dict[str, Any]) -> None:
        """A misspelt setting is an error that names it."""
        with pytest.raises(ConfigError, match="no_such_setting"):
            self.registry.build({**table, "no_such_setting": 1})

    def test_every_bound_is_enforced(self, component: Any, table: dict[str, Any]) -> None:
        """What is beyond a bound of an `option` is refused, in a config and in Python."""
        for field in fields_of(type(component)):
            key = field.alias or field.name
            for wrong in _beyond(field):
                with pytest.raises(ConfigError, match=key):
                    self.registry.build({**table, key: wrong})
                with pytest.raises(ValueError, match=field.name):
                    attrs.evolve(component, **{key: tuple(wrong) if isinstance(wrong, list) else wrong})

    def test_building_it_changes_nothing_given(self, table: dict[str, Any]) -> None:
        """The table that a component is built from is read, not used up."""
        before = json.dumps(table, default=str)
        self.registry.build(table)
        assert json.dumps(table, default=str) == before


def _checks_in(cls: type) -> set[str]:
    kit = cls.__module__.startswith("simplug.testing.")
    return {name for name in vars(cls) if name.startswith("test_")} if kit else set()


def _are_light(entry: Entry, registry: Registry[Any]) -> bool:
    """Say whether nothing of the entry's kind in its distribution imports anything heavy: one process tells of all."""
    if entry.distribution == RUNTIME:
        return False
    try:
        return not _heavy_imports(tuple(each for each in registry.entries() if each.distribution == entry.distribution))
    except AssertionError:
        # One of the others cannot be imported, which is not this one's fault.
        return False


@functools.cache
def _heavy_imports(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Return which heavy packages the modules of some components import; what a script registered comes alone."""
    code = """
before = set(sys.modules)
load()
for module in arguments["others"]:
    importlib.import_module(module)
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""
    others = [other.target.partition(":")[0] for other in entries[1:]]
    return tuple(name for name in run_fresh(entries[0], code, others=others) if name in HEAVY)


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _beyond(field: attrs.Attribute[Any]) -> Iterator[Any]:
    """Yield a value beyond each bound of a field, of the field's type and inside its other bounds where it can be."""
    bounds = field.metadata.get(BOUNDS_KEY) or {}
    singles: list[Any] = []
    for key, step, toward in (
        ("gt", 0, math.floor),
        ("ge", -1, math.floor),
        ("lt", 0, math.ceil),
        ("le", 1, math.ceil),
    ):
        if key in bounds:
            value = bounds[key] + step
            singles.append(float(value) if _holds(field.type, float) else toward(value))
    if "choices" in bounds:
        singles.append("-".join(bounds["choices"]) + "-not")
    if "pattern" in bounds:
        singles += [text for text in ("", "\x00", "not of this pattern!") if not _matches(bounds["pattern"], text)][:1]
    yield from (_as_element_of(field.type, single) for single in singles)


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.fullmatch(pattern, text) is not None


def _holds(expected: Any, cls: type) -> bool:
    return expected is cls or any(_holds(argument, cls) for argument in typing.get_args(expected))


def _as_element_of(expected: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin not in (list, tuple):
        return value
    fixed = origin is tuple and arguments[-1:] != (...,)
    return [value] * (len(arguments) if fixed else 1)
