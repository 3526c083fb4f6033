"""Filters: what ``where=`` means, as a small tree of conditions on the columns of records."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from simplug.index.columns import ORDERS, Column, Value, plain
from simplug.kernel.errors import InvalidInputError, did_you_mean

LABEL, ID = "label", "id"
"""The columns that are no fields of payloads, as a filter and as the tree name them."""

DATA = "data."
"""What the tree names the columns of payloads with; a filter may, and must where a name would mean something else."""

_OPERATORS = ("eq", "ne", "in", "not_in", *ORDERS, "exists")
_ELSEWHERE = {
    "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
    "neq": "ne", "nin": "not_in", "lte": "le", "gte": "ge",
}  # fmt: skip
"""What operators are called elsewhere; the name most like it would be another operator."""

_JOINTS = ("all", "any", "not")
_DEEPEST = 64
_LONGEST_RANGE = 1_000_000


@attrs.frozen
class Among:
    """The column has one of these values: a tuple, or (m,) int64 where the column has integers alone."""

    column: str
    values: tuple[Value, ...] | np.ndarray = attrs.field(eq=False)


@attrs.frozen
class Compared:
    """The column has a value on one side of another: ``lt``, ``le``, ``gt`` or ``ge``."""

    column: str
    order: str
    value: float | str | bytes


@attrs.frozen
class Present:
    """The column has a value at all."""

    column: str


@attrs.frozen
class All:
    """All parts pass."""

    parts: tuple[Filter, ...]


@attrs.frozen
class AnyOf:
    """At least one part passes."""

    parts: tuple[Filter, ...]


@attrs.frozen
class Not:
    """The part does not pass."""

    part: Filter


Filter = Among | Compared | Present | All | AnyOf | Not


def parse(where: Any) -> Filter:
    """Return the tree of a filter as users write it.

    Raises:
        InvalidInputError: It is no filter; the message says where in it.
    """
    return _filter(where, "where", 0)


def columns_of(tree: Filter) -> set[str]:
    """Return the names of all columns in a tree."""
    match tree:
        case All(parts) | AnyOf(parts):
            return set().union(*map(columns_of, parts))
        case Not(part):
            return columns_of(part)
        case Among() | Compared() | Present():
            return {tree.column}


def passing(tree: Filter, columns: Mapping[str, Column]) -> np.ndarray:
    """Say of each record, in (n,) booleans, whether it passes."""
    found: np.ndarray
    match tree:
        case Among(column, values):
            found = columns[column].among(values)
        case Compared(column, order, value):
            found = columns[column].compared(order, value)
        case Present(column):
            found = columns[column].present()
        case All(parts):
            found = functools.reduce(operator.and_, (passing(part, columns) for part in parts))
        case AnyOf(parts):
            found = functools.reduce(operator.or_, (passing(part, columns) for part in parts))
        case Not(part):
            found = ~passing(part, columns)
    return found


def _filter(given: Any, what: str, depth: int) -> Filter:
    if not isinstance(given, Mapping) or not given:
        raise InvalidInputError(f"{what} must be a table such as {{'label': [1, 2]}}, not {given!r}")
    if depth > _DEEPEST:
        raise InvalidInputError(f"{what} is nested more than {_DEEPEST} deep")
    return _all(tuple(_entry(name, inside, what, depth) for name, inside in given.items()))


def _entry(name: Any, inside: Any, what: str, depth: int) -> Filter:
    place = f"{what}[{name!r}]"
    if name == "not":
        return Not(_filter(inside, place, depth + 1))
    if name in ("any", "all"):
        if not isinstance(inside, list | tuple) or not inside:
            raise InvalidInputError(f"{place} must be a list of filters, at least one, not {inside!r}")
        parts = tuple(_filter(one, f"{place}[{i}]", depth + 1) for i, one in enumerate(inside))
        return AnyOf(parts) if name == "any" else All(parts)
    column = _column(name, what)
    if not isinstance(inside, Mapping):
        return _condition(column, "in" if _is_several(inside) else "eq", inside, place)
    if not inside:
        raise InvalidInputError(f"{place} has no condition; there are {', '.join(_OPERATORS)}")
    return _all(tuple(_operator(column, key, value, place) for key, value in inside.items()))


def _all(parts: tuple[Filter, ...]) -> Filter:
    return parts[0] if len(parts) == 1 else All(parts)


def _column(name: Any, what: str) -> str:
    if name in (LABEL, ID):
        return str(name)
    if not isinstance(name, str):
        raise InvalidInputError(f"{what} has the name {name!r}; names are texts")
    if name in ("labels", "ids"):
        raise InvalidInputError(
            f"{what} names {name!r}; the column is {name[:-1]!r}, and a field of data is {DATA + name!r}"
        )
    field = name.removeprefix(DATA)
    if not all(field.split(".")):
        raise InvalidInputError(f"{what} names {name!r}, which is no field: a part of it is empty")
    return DATA + field


def _operator(column: str, name: Any, value: Any, place: str) -> Filter:
    if name in _JOINTS:
        raise InvalidInputError(f"{place} holds {name!r}, which goes around fields: {{{name!r}: ...}}")
    if not isinstance(name, str) or name not in _OPERATORS:
        ours = _ELSEWHERE.get(str(name).removeprefix("$"))
        known = f"; did you mean '{ours}'?" if ours else did_you_mean(str(name), _OPERATORS)
        inside = f"; a field inside is {column.removeprefix(DATA)}.{name}" if column.startswith(DATA) else ""
        raise InvalidInputError(f"{place} has no operator {name!r}{known or inside}; there are {', '.join(_OPERATORS)}")
    return _condition(column, name, value, f"{place}[{name!r}]")


def _condition(column: str, name: str, value: Any, place: str) -> Filter:
    match name:
        case "exists":
            if not isinstance(value, bool | np.bool_):
                raise InvalidInputError(f"{place} must be True or False, not {value!r}")
            return Present(column) if value else Not(Present(column))
        case "ne" | "not_in":
            return Not(_condition(column, {"ne": "eq", "not_in": "in"}[name], value, place))
        case "in":
            if not _is_several(value):
                raise InvalidInputError(f"{place} must be a list, set, range or array of values, not {value!r}")
            return Among(column, _values(column, value, place))
        case "eq":
            return Among(column, _values(column, [value], place))
    one = _value(value, place)
    if column in (LABEL, ID) and type(one) is not int:
        raise InvalidInputError(f"{place} must be an integer, not {value!r}")
    if one is None or isinstance(one, bool):
        raise InvalidInputError(f"{place} must be a number, a text or bytes, not {value!r}, which nothing is below")
    return Compared(column, name, one)


def _is_several(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, list | tuple | set | frozenset | range)


def _values(column: str, given: Any, place: str) -> tuple[Value, ...] | np.ndarray:
    if isinstance(given, range) and len(given) > _LONGEST_RANGE:
        raise InvalidInputError(f"{place} is too long a range; use {{'ge': {given[0]}, 'lt': {given[-1] + 1}}}")
    if isinstance(given, np.ndarray) and given.ndim != 1:
        raise InvalidInputError(f"{place} must have one axis, not shape {given.shape}")
    if column in (LABEL, ID):
        return _integers(given, place)
    listed = given.tolist() if isinstance(given, np.ndarray) and given.dtype.kind != "O" else given
    return tuple(_value(one, place) for one in listed)


def _integers(given: Any, place: str) -> np.ndarray:
    """Return int64; an array of them is not looked at one by one."""
    if isinstance(given, np.ndarray) and given.dtype.kind in "iu" and np.can_cast(given.dtype, np.int64):
        return given.astype(np.int64)
    numbers = list(_each_integer(given, place))
    # No record has a label or an id beyond int64.
    return np.array([number for number in numbers if -(2**63) <= number < 2**63], dtype=np.int64)


def _each_integer(given: Any, place: str) -> Iterator[int]:
    for one in given:
        number, _ = plain(one)
        if type(number) is not int:
            raise InvalidInputError(f"{place} must be integers, and holds {number!r}")
        yield number


def _value(given: Any, place: str) -> Any:
    value, is_known = plain(given)
    if not is_known:
        several = "; any and all take lists of filters" if isinstance(given, Mapping) else ""
        raise InvalidInputError(
            f"{place} holds {given!r}; a condition names numbers, texts, bytes, True, False and None{several}"
        )
    if value != value:
        raise InvalidInputError(f"{place} is NaN, which nothing equals and nothing is below")
    return value
