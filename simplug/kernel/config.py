"""Plain values to components and back: names, nested tables, types, bounds, and every mistake at once."""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from simplug.kernel.component import (
    BOUNDS_KEY,
    KIND_KEY,
    MANY_KEY,
    PRESET_KEY,
    Component,
    bounds_problem,
    fields_of,
)
from simplug.kernel.errors import ComponentError, ConfigError, Problem, SimplugError, did_you_mean
from simplug.kernel.plugins import plugins
from simplug.kernel.registry import registry_of

NONE = "none"
"""How None is written: TOML has no null, and a resolved config names every setting."""

_FAILED: Any = object()


class Report:
    """Collects the mistakes of one config, and the components that were built on the way."""

    def __init__(self, origin: Callable[[str], str] = lambda path: "") -> None:
        self.problems: list[Problem] = []
        self.built: list[tuple[str, str, Component]] = []
        self._origin = origin

    def add(self, path: str, mistake: str | Exception) -> Any:
        """Note a mistake at a dotted path; returns the mark of a value that could not be made."""
        cause = mistake if isinstance(mistake, Exception) else None
        self.problems.append(Problem(path, str(mistake), self._origin(path), cause))
        return _FAILED

    def finish(self) -> None:
        """Raise all mistakes, or tell the plugins what was built.

        Raises:
            ConfigError: There were mistakes.
        """
        if self.problems:
            raise ConfigError(self.problems)
        for kind, name, component in self.built:
            plugins.hook.simplug_component_built(kind=kind, name=name, component=component)


def build(kind: str, config: Any, options: Mapping[str, Any] | None = None) -> Any:
    """Build a component of `kind` from a name, a table or an instance; `options` win over the table.

    Raises:
        ConfigError: The settings have mistakes.
        ComponentError: The name of the outermost component cannot be used.
    """
    if isinstance(config, Component) and not options:
        _require_kind(kind, config)
        return config
    if isinstance(config, Component):
        raise SimplugError(f"{kind}: an instance takes no further settings ({', '.join(options or ())})")
    table = _table(kind, config)
    if isinstance(table.get("name"), str):
        registry_of(kind).get(table["name"])
    report = Report()
    component = _component(kind, {**table, **(options or {})}, kind, report)
    report.finish()
    return component


def structure(cls: type, table: Any, report: Report) -> Any:
    """Build an attrs class from a table of plain values; mistakes go to `report`, which the caller finishes."""
    return _section(cls, table, "", report)


def to_config(component: Component) -> dict[str, Any]:
    """Return the table that builds an equal component: its name and every field, defaults included.

    Raises:
        UnknownComponentError: The class of the component, or of a nested one, has no name.
        SimplugError: A field holds what neither TOML nor JSON can.
    """
    name = registry_of(component.kind).name_of(type(component))
    return {"name": name, **plain_fields(component)}


def plain_fields(record: Any) -> dict[str, Any]:
    """Return the fields of an attrs record as plain values: nested components and records become tables."""
    return {field.alias or field.name: _plain_field(record, field) for field in fields_of(type(record))}


def shorthand(text: str) -> dict[str, Any]:
    """Expand ``recall@5`` to ``{"name": "recall_at_k", "k": 5}`` and ``map@r`` to ``{"name": "map_at_r"}``."""
    base, at, depth = text.partition("@")
    if not at:
        return {"name": text}
    if re.fullmatch("[0-9]{1,9}", depth):
        return {"name": f"{base}_at_k", "k": int(depth)}
    return {"name": f"{base}_at_{depth}"}


def shortest(component: Component) -> str | dict[str, Any]:
    """Return the shortest config that builds an equal component: a name, a shorthand, or its whole table."""
    table = to_config(component)
    label = label_of(table)
    return label if shorthand(label) == table else table


def label_of(config: Mapping[str, Any]) -> str:
    """Return the shortest text that :func:`shorthand` expands to this table's name and ``k``."""
    name = str(config["name"])
    if name.endswith("_at_k") and "k" in config:
        return f"{name.removesuffix('_at_k')}@{config['k']}"
    base, at, depth = name.rpartition("_at_")
    return f"{base}@{depth}" if at else name


def _table(kind: str, config: Any) -> dict[str, Any]:
    if isinstance(config, str):
        return shorthand(config)
    if isinstance(config, Mapping):
        table = dict(config)
        if isinstance(table.get("name"), str):
            table = {**table, **shorthand(table["name"])}
        return table
    raise ConfigError([Problem(kind, f"a {kind} is a name, a table with a name, or an instance, not {config!r}")])


def _require_kind(kind: str, component: Component) -> None:
    if component.kind != kind:
        raise ConfigError([Problem(kind, f"is a {component.kind} ({component!r}), not a {kind}")])


def _component(kind: str, value: Any, path: str, report: Report) -> Any:
    try:
        if isinstance(value, Component):
            _require_kind(kind, value)
            return value
        table = _table(kind, value)
    except ConfigError as error:
        return report.add(path, error.problems[0].message)
    name = table.pop("name", None)
    if not isinstance(name, str):
        registry = registry_of(kind)
        installed = ", ".join(registry.names()) or "none"
        return report.add(path, f"needs a name; installed {registry.kind.plural}: {installed}")
    try:
        cls = registry_of(kind).get(name)
    except ComponentError as error:
        return report.add(path, error)
    if cls.presets and PRESET_KEY in table:
        preset = table.pop(PRESET_KEY)
        problem = bounds_problem({"choices": tuple(cls.presets)}, preset)
        if problem:
            return report.add(_join(path, PRESET_KEY), problem)
        table = {**cls.presets[preset], **table}
    component = _fields(cls, table, path, report, owner=f"{kind} '{name}'")
    if component is not _FAILED:
        report.built.append((kind, name, component))
    return component


def _section(cls: type, value: Any, path: str, report: Report) -> Any:
    if not isinstance(value, Mapping):
        return report.add(path, f"must be a table, not {value!r}")
    return _fields(cls, value, path, report, owner=f"[{path}]" if path else "the config")


def _fields(cls: type, table: Mapping[str, Any], path: str, report: Report, *, owner: str) -> Any:
    fields = {field.alias or field.name: field for field in fields_of(cls)}
    before = len(report.problems)
    for key in table:
        if key not in fields:
            hint = did_you_mean(str(key), fields)
            report.add(
                _join(path, key), f"{owner} has no setting '{key}'{hint}\nsettings: {', '.join(fields) or 'none'}"
            )
    values = {}
    for key, field in fields.items():
        default = _default(field)
        if key in table:
            values[key] = _value(field, table[key], _join(path, key), report)
        elif default is not attrs.NOTHING:
            values[key] = _value(field, default, _join(path, key), report)
        elif field.default is attrs.NOTHING:
            report.add(_join(path, key), f"{owner} needs '{key}', which has no default")
    if len(report.problems) > before:
        return _FAILED
    try:
        return cls(**values)
    except ConfigError as error:
        for problem in error.problems:
            report.add(_join(path, problem.path), problem.message)
        return _FAILED
    except ComponentError as error:
        return report.add(path, error)
    except (ValueError, TypeError) as error:
        message = str(error.args[0] if error.args else error)
        blamed = _blamed_field(message, fields)
        return report.add(_join(path, blamed) if blamed else path, f"{owner}: {message}")


def _default(field: attrs.Attribute[Any]) -> Any:
    """Return a default that holds components, to be built like a given value, so that its mistakes have a path.

    Everything else is left to attrs: NOTHING.
    """
    factory = getattr(field.default, "factory", None)
    if factory is None:
        return field.default if field.metadata.get(KIND_KEY) else attrs.NOTHING
    return {} if factory is section_type(field.type) else attrs.NOTHING


def _on_default(field: attrs.Attribute[Any], value: Any) -> Any:
    """Return a table without a name as settings of the field's default component."""
    if isinstance(value, Mapping) and "name" not in value and isinstance(field.default, str | Mapping):
        return {**_table(field.metadata[KIND_KEY], field.default), **value}
    return value


def _blamed_field(message: str, fields: Iterable[str]) -> str | None:
    """Return the field that a validator's message begins with, as those of attrs and :func:`option` do."""
    first = re.match(r"'?(\w+)'? ", message)
    return first[1] if first and first[1] in fields else None


def _value(field: attrs.Attribute[Any], value: Any, path: str, report: Report) -> Any:
    if value is None and field.default is None:
        return None
    if accepts_none(field.type) and (value is None or value == NONE):
        return None
    kind = field.metadata.get(KIND_KEY)
    if kind and field.metadata.get(MANY_KEY):
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            return report.add(path, f"must be a list of {registry_of(kind).kind.plural}, not {value!r}")
        return tuple(_component(kind, one, f"{path}[{i}]", report) for i, one in enumerate(value))
    if kind:
        return _component(kind, _on_default(field, value), path, report)
    plain = _typed(value, field.type, path, report)
    bounds = field.metadata.get(BOUNDS_KEY)
    if plain is not _FAILED and bounds and plain is not None:
        for element in plain if isinstance(plain, tuple | list) else (plain,):
            problem = bounds_problem(bounds, element)
            if problem:
                return report.add(path, problem)
    return plain


def _typed(value: Any, expected: Any, path: str, report: Report) -> Any:
    """Return a plain value as its declared type holds it, without guessing: ``"3"`` is no number and ``1`` no bool."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    section = section_type(expected)
    if section is not None:
        return value if isinstance(value, section) else _section(section, value, path, report)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, expected, path, report)
    if origin is typing.Literal:
        problem = bounds_problem({"choices": arguments}, value)
        return report.add(path, problem) if problem else value
    if (origin or expected) in (list, tuple):
        return _list(value, origin or expected, arguments, path, report)
    if (origin or expected) in (dict, Mapping):
        return _dict(value, arguments, path, report)
    if isinstance(expected, type) and not _fits(value, expected):
        return report.add(path, f"must be {describe_type(expected)}, not {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        return report.add(path, f"must be a finite number, not {value!r}")
    return float(value) if expected is float else value


def _fits(value: Any, expected: type) -> bool:
    if isinstance(value, bool):
        return expected in (bool, object)
    return isinstance(value, int | float if expected is float else expected)


def _one_of(value: Any, expected: Any, path: str, report: Report) -> Any:
    alternatives = typing.get_args(expected)
    for alternative in alternatives:
        trial = Report()
        result = _typed(value, alternative, path, trial)
        if not trial.problems:
            report.built += trial.built
            return result
    some = [alternative for alternative in alternatives if alternative is not type(None)]
    if len(some) == 1 and some[0] not in _ARTICLES:
        return _typed(value, some[0], path, report)
    return report.add(path, f"must be {describe_type(expected)}, not {value!r}")


def _list(value: Any, origin: type, arguments: Sequence[Any], path: str, report: Report) -> Any:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        return report.add(path, f"must be a list, not {value!r}")
    fixed = origin is tuple and arguments[-1:] != (...,) and bool(arguments)
    if fixed and len(value) != len(arguments):
        return report.add(path, f"must be a list of {len(arguments)}, not of {len(value)}: {value!r}")
    expected = arguments if fixed else [arguments[0] if arguments else Any] * len(value)
    before = len(report.problems)
    elements = [_typed(one, expected[i], f"{path}[{i}]", report) for i, one in enumerate(value)]
    return origin(elements) if len(report.problems) == before else _FAILED


def _dict(value: Any, arguments: Sequence[Any], path: str, report: Report) -> Any:
    if not isinstance(value, Mapping):
        return report.add(path, f"must be a table, not {value!r}")
    expected = arguments[1] if arguments else Any
    before = len(report.problems)
    table = {str(key): _typed(one, expected, _join(path, key), report) for key, one in value.items()}
    return table if len(report.problems) == before else _FAILED


_ARTICLES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): f"'{NONE}'",
}


def describe_type(expected: Any) -> str:
    """Say in words what a type takes, as in the messages about wrong values."""
    if typing.get_origin(expected) in (typing.Union, types.UnionType):
        return " or ".join(describe_type(one) for one in typing.get_args(expected))
    origin = typing.get_origin(expected) or expected
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, typing.get_args(expected)))}"
    if origin in (list, tuple):
        return "a list"
    if origin in (dict, Mapping):
        return "a table"
    return _ARTICLES.get(expected, str(getattr(expected, "__name__", expected)))


def _plain_field(record: Any, field: attrs.Attribute[Any]) -> Any:
    value, where = getattr(record, field.name), f"{type(record).__name__}.{field.name}"
    if value == NONE and accepts_none(field.type):
        raise SimplugError(f"{where} holds the text '{NONE}', which a config reads as no value")
    return plain_value(value, where)


def plain_value(value: Any, where: str = "a setting") -> Any:
    """Return a value as TOML and JSON can hold it: components and records as tables, None as ``"none"``.

    Raises:
        SimplugError: It holds something else; `where` says whose value it is.
    """
    if value is None:
        return NONE
    if isinstance(value, Component):
        return to_config(value)
    if attrs.has(type(value)):
        return plain_fields(value)
    if isinstance(value, list | tuple):
        return [plain_value(element, where) for element in value]
    if isinstance(value, Mapping):
        return {str(key): plain_value(element, where) for key, element in value.items()}
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise SimplugError(f"{where} holds {value!r}, which neither TOML nor JSON can hold")


def accepts_none(expected: Any) -> bool:
    """Say whether a type admits None."""
    return type(None) in typing.get_args(expected)


def section_type(expected: Any) -> type | None:
    """Return the plain attrs class (a section, not a component) that a field's type names, or None."""
    arguments = [a for a in typing.get_args(expected) if a is not type(None)]
    is_optional = typing.get_origin(expected) in (typing.Union, types.UnionType) and len(arguments) == 1
    cls = arguments[0] if is_optional else expected
    if isinstance(cls, type) and attrs.has(cls) and not issubclass(cls, Component):
        return cls
    return None


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
