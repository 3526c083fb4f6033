"""What a component is: a frozen attrs record whose fields are its config schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import attrs

PRESET_KEY = "preset"
"""The key by which a config asks a component for one of its presets."""

KIND_KEY = "simplug.kind"
MANY_KEY = "simplug.many"
DOC_KEY = "simplug.doc"
BOUNDS_KEY = "simplug.bounds"


class Component:
    """The base of every contract in :mod:`simplug.api`.

    A component is a recipe: a frozen record, equal to its like and printable. What it opens or builds is another
    object, returned by a method of its contract.

    Attributes:
        kind: The name of the kind, set by the contract class.
        presets: Settings that are known to go together, by name. A config asks for them with ``preset = "…"``; what it
            sets itself wins. Once built, a component does not remember its preset: its config names every value.
    """

    kind: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}


def option(
    default: Any = attrs.NOTHING,
    *,
    doc: str,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
    choices: Iterable[str] | None = None,
    pattern: str | None = None,
) -> Any:
    """Declare a plain setting of a component.

    The bounds check values from a config and from Python alike, and appear in the JSON Schema and in `simplug show`.

    Args:
        default: The default; without one the setting is required.
        doc: One sentence on what it means, with its unit.
        gt: The value must be greater than this.
        ge: The value must be greater than or equal to this.
        lt: The value must be less than this.
        le: The value must be less than or equal to this.
        choices: The only strings allowed.
        pattern: A regular expression that the whole string must match.

    Raises:
        ValueError: On construction of the component, when the value breaks a bound.
    """
    limits = {"gt": gt, "ge": ge, "lt": lt, "le": le, "choices": tuple(choices) if choices else None}
    bounds = {key: value for key, value in (limits | {"pattern": pattern}).items() if value is not None}
    return attrs.field(
        default=default,
        validator=_Bounds(bounds) if bounds else None,
        metadata={DOC_KEY: doc, BOUNDS_KEY: bounds},
    )


def component(kind: str, default: Any = attrs.NOTHING, *, doc: str = "") -> Any:
    """Declare a nested component.

    The field takes a name, a ``{"name": …, …}`` table or an instance, in Python and in a config.

    Args:
        kind: The name of the kind, such as ``"distance"``.
        default: What is built when nothing is given; None makes the component optional.
        doc: One sentence on what it is for.
    """
    return attrs.field(
        default=default,
        converter=_BuildOne(kind),
        metadata={KIND_KEY: kind, DOC_KEY: doc},
    )


def components(kind: str, default: Any = (), *, doc: str = "") -> Any:
    """Declare a list of nested components of one kind; kept as a tuple."""
    return attrs.field(
        default=default,
        converter=_BuildMany(kind),
        metadata={KIND_KEY: kind, MANY_KEY: True, DOC_KEY: doc},
    )


def section(cls: type, *, doc: str) -> Any:
    """Declare a table that is no component: an attrs class whose fields all have defaults, or `dict`."""
    return attrs.field(factory=cls, metadata={DOC_KEY: doc})


@attrs.frozen
class _BuildOne:
    """Converter of a field made with :func:`component`."""

    kind: str

    def __call__(self, value: Any) -> Any:
        # The registry builds components and so imports this module; the import waits until a component is built.
        from simplug.kernel.registry import registry_of

        return None if value is None else registry_of(self.kind).build(value)


@attrs.frozen
class _BuildMany:
    """Converter of a field made with :func:`components`."""

    kind: str

    def __call__(self, values: Any) -> tuple[Any, ...]:
        from simplug.kernel.registry import registry_of

        registry = registry_of(self.kind)
        return tuple(registry.build(value) for value in values)


@attrs.frozen
class _Bounds:
    """Validator of a field made with :func:`option`; names the field, the bound and the value."""

    bounds: Mapping[str, Any] = attrs.field(hash=False)

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is None:
            return
        for element in value if isinstance(value, tuple | list) else (value,):
            problem = bounds_problem(self.bounds, element)
            if problem:
                raise ValueError(f"{attribute.name} {problem}")


_ORDER: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "gt": (">", lambda value, bound: value > bound),
    "ge": (">=", lambda value, bound: value >= bound),
    "lt": ("<", lambda value, bound: value < bound),
    "le": ("<=", lambda value, bound: value <= bound),
}


def bounds_problem(bounds: Mapping[str, Any], value: Any) -> str | None:
    """Say how a single value breaks the bounds of :func:`option`, or return None."""
    import re

    from simplug.kernel.errors import did_you_mean

    choices = bounds.get("choices")
    if choices is not None and value not in choices:
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        return f"must be one of {', '.join(map(repr, choices))}, not {value!r}{hint}"
    pattern = bounds.get("pattern")
    if pattern is not None and not (isinstance(value, str) and re.fullmatch(pattern, value)):
        return f"must match {pattern}, not {value!r}"
    for key, (sign, holds) in _ORDER.items():
        if key not in bounds:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return f"must be a number {sign} {bounds[key]}, not {value!r}"
        if not holds(value, bounds[key]):
            return f"must be {sign} {bounds[key]}, not {value!r}"
    return None


def fields_of(cls: type) -> tuple[attrs.Attribute[Any], ...]:
    """Return the attrs fields that a config may set, with their types resolved."""
    attrs.resolve_types(cls)
    return tuple(field for field in attrs.fields(cls) if field.init)
