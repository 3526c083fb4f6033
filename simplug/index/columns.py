"""Columns of values, one a record, that conditions are asked of: all records at once.

Values are compared as Python compares them, exactly and with one difference: a truth value equals no number. Values of
different kinds, such as a text and a number, are not equal, and neither is below the other.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

Value = bool | int | float | str | bytes | None
"""What a condition may name."""

ABSENT = object()
"""Stands for the value of a record that has none."""

ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_NOTHING, _OTHER, _CODED, _INTEGER, _FLOAT = range(5)


class Column(Protocol):
    """One value a record."""

    def among(self, values: Any) -> np.ndarray:
        """Say of each record, in (n,) booleans, whether its value equals one of these."""

    def compared(self, order: str, value: Any) -> np.ndarray:
        """Say of each record whether its value is ``lt``, ``le``, ``gt`` or ``ge`` this one."""

    def present(self) -> np.ndarray:
        """Say of each record whether it has a value."""


class Integers:
    """A column of (n,) int64 numbers; values to compare with are integers too."""

    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers = numbers

    def among(self, values: np.ndarray) -> np.ndarray:
        """Say of each record whether its number is one of (m,) int64."""
        return _isin(self._numbers, values)

    def compared(self, order: str, value: int) -> np.ndarray:
        """Say of each record whether its number is on that side of this one."""
        return _compared(self._numbers, order, value)

    def present(self) -> np.ndarray:
        """Say that every record has a number."""
        return np.ones(len(self._numbers), dtype=bool)


class Mixed:
    """A column of values of any kind, in nine bytes each and what different texts take.

    Numbers are kept in arrays; other values by a code, which is the place of the value among all different ones. Lists,
    dicts and arrays are not kept: they are there, and equal nothing.
    """

    def __init__(self) -> None:
        self._kinds = np.empty(0, dtype=np.uint8)
        self._bits = np.empty(0, dtype=np.int64)
        self._codes: dict[type, dict[Any, int]] = {}
        self._different = 0

    def put(self, start: int, values: Sequence[Any]) -> None:
        """Set the values from place `start` on; what followed there is lost."""
        end = start + len(values)
        if end > len(self._kinds):
            self._kinds, self._bits = (_grown(column, start, end) for column in (self._kinds, self._bits))
        kinds, bits, floats = [], [], []
        for value in values:
            kind, number = self._stored(value)
            kinds.append(kind)
            if kind == _FLOAT:
                floats.append(number)
                number = 0
            bits.append(number)
        is_float = np.array(kinds, dtype=np.uint8) == _FLOAT
        self._kinds[start:end] = kinds
        self._bits[start:end] = bits
        self._bits[start:end][is_float] = np.array(floats, dtype=np.float64).view(np.int64)

    def shown(self, count: int) -> Mixed:
        """Return the column of the first `count` places."""
        return self._of(self._kinds[:count], self._bits[:count])

    def kept(self, places: np.ndarray) -> Mixed:
        """Return the column of some places, given as booleans, without the values that no place has any more."""
        column = self._of(self._kinds[: len(places)][places], self._bits[: len(places)][places])
        if self._different > 2 * len(column._kinds) + 1024:
            is_coded = column._kinds == _CODED
            used, column._bits[is_coded] = np.unique(column._bits[is_coded], return_inverse=True)
            renamed = dict(zip(used.tolist(), range(len(used)), strict=True))
            column._codes = {
                kind: {value: renamed[code] for value, code in codes.items() if code in renamed}
                for kind, codes in self._codes.items()
            }
            column._different = len(used)
        return column

    def among(self, values: Iterable[Value]) -> np.ndarray:
        """Say of each record whether its value equals one of these."""
        integers, floats, codes = [], [], []
        for value in values:
            if isinstance(value, int | float) and not isinstance(value, bool):
                if _LOWEST <= value <= _HIGHEST and int(value) == value:
                    integers.append(int(value))
                if _nearest_float(value) == value:
                    floats.append(_nearest_float(value))
            code = self._codes.get(_kind(value), {}).get(value)
            if code is not None:
                codes.append(code)
        passing = self._where(_INTEGER, lambda bits: _isin(bits, integers))
        passing |= self._where(_FLOAT, lambda bits: _isin(bits.view(np.float64), floats))
        passing |= self._where(_CODED, lambda bits: _isin(bits, codes))
        return passing

    def compared(self, order: str, value: float | str | bytes) -> np.ndarray:
        """Say of each record whether its value is of the same kind and on that side of this one."""
        known = self._codes.get(_kind(value), {})
        codes = [code for one, code in known.items() if ORDERS[order](one, value)]
        passing = self._where(_CODED, lambda bits: _isin(bits, codes))
        if isinstance(value, int | float):
            passing |= self._where(_INTEGER, lambda bits: _compared(bits, order, value))
            passing |= self._where(_FLOAT, lambda bits: _compared(bits.view(np.float64), order, value))
        return passing

    def present(self) -> np.ndarray:
        """Say of each record whether it has a value, None included."""
        has_value: np.ndarray = self._kinds != _NOTHING
        return has_value

    def _of(self, kinds: np.ndarray, bits: np.ndarray) -> Mixed:
        column = Mixed()
        column._kinds, column._bits, column._codes, column._different = kinds, bits, self._codes, self._different
        return column

    def _where(self, kind: int, passes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Ask of the values of one kind alone."""
        is_kind: np.ndarray = self._kinds == kind
        if is_kind.all():
            return passes(self._bits)
        if is_kind.any():
            is_kind[is_kind] = passes(self._bits[is_kind])
        return is_kind

    def _stored(self, value: Any) -> tuple[int, Any]:
        """Return how a value is kept, and the number that is kept for it."""
        if value is ABSENT:
            return _NOTHING, 0
        value, is_known = plain(value)
        if not is_known:
            return _OTHER, 0
        if type(value) is float:
            return _FLOAT, value
        if type(value) is int and _LOWEST <= value <= _HIGHEST:
            return _INTEGER, value
        codes = self._codes.setdefault(_kind(value), {})
        code = codes.get(value)
        if code is None:
            code = codes[value] = self._different
            self._different += 1
        return _CODED, code


def plain(value: Any) -> tuple[Any, bool]:
    """Return a value as Python has it, whatever NumPy made of it, and whether a condition may name it."""
    if isinstance(value, np.generic):
        value = value.item()
    return value, value is None or type(value) in (bool, int, float, str, bytes)


def _kind(value: Any) -> type:
    """Return what a value may be compared with: values of the same kind."""
    return float if type(value) is int else type(value)


def _isin(numbers: np.ndarray, values: Sequence[float] | np.ndarray) -> np.ndarray:
    if len(values) > 8:
        return np.isin(numbers, values)
    found = np.zeros(len(numbers), dtype=bool)
    for value in values:
        found |= numbers == value
    return found


def _nearest_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _compared(numbers: np.ndarray, order: str, value: float) -> np.ndarray:
    """Compare int64 or float64 numbers with a number of any size and kind, without rounding it."""
    if numbers.dtype == np.float64:
        nearest = _nearest_float(value)
        is_equal, below = nearest == value, nearest if nearest <= value else math.nextafter(nearest, -math.inf)
    elif isinstance(value, float) and math.isinf(value):
        is_equal, below = False, _HIGHEST if value > 0 else _LOWEST - 1
    else:
        below = min(math.floor(value), _HIGHEST)
        is_equal = below == value
    if below < _LOWEST and numbers.dtype == np.int64:
        return np.full(len(numbers), order in ("gt", "ge"))
    # What lies between two numbers of the dtype has the same ones on its sides as the lower of them.
    compare = ORDERS[order] if is_equal else ORDERS["le" if order in ("lt", "le") else "gt"]
    with np.errstate(invalid="ignore"):
        found: np.ndarray = compare(numbers, below)
    return found


def _grown(column: np.ndarray, kept: int, needed: int) -> np.ndarray:
    """Return a column with room for `needed` values and half as many again."""
    larger = np.empty(needed + needed // 2, dtype=column.dtype)
    larger[:kept] = column[:kept]
    return larger
