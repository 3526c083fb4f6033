"""Counts of pairs in narrow bins of their distance, whose range grows as farther pairs come."""

from __future__ import annotations

import math

import numpy as np

_SHIFT = 6
"""How many of the last bits of a float32 number a bin leaves open: 2**17 bins lie between a number and its double."""

_FINE_BELOW = 3
"""Values below 2**-3 of a typical one are told apart by their difference, not by their ratio."""


class Scale:
    """Numbers of bins, from the bits of float32 numbers.

    The bits of positive float32 numbers, read as an integer, ascend with them; without the last ones they number bins
    that are narrow near 0 and as wide in proportion everywhere. Added to a small offset first, values near 0 get bins
    of one width. Negative values mirror the positive ones.

    Args:
        typical: The size of a typical value, above 0.
        coarser: How many times the width of a bin is doubled.
    """

    def __init__(self, typical: float, coarser: int = 0) -> None:
        self.offset = np.float32(2.0 ** max(math.floor(math.log2(typical)) - _FINE_BELOW, -100))
        self._shift = _SHIFT + coarser
        self._base = int(self.offset.view(np.int32)) >> self._shift

    def keys(self, values: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Count pairs in bins; a key is twice the number of a bin, and one more for positive pairs.

        Args:
            values: (p,) finite float32, at least one; they are written over.
            positive: (p,) booleans.

        Returns:
            The int64 keys that occur, ascending, and how often each does.
        """
        extremes = np.array([values.min(), values.max()])
        negative = values < 0 if extremes[0] < 0 else None
        first, last = self._numbers(extremes, extremes < 0).tolist()
        keys = self._numbers(values, negative)
        keys -= first
        keys <<= 1
        keys += positive
        if len(keys) < last - first:
            found, counts = np.unique(keys, return_counts=True)
        else:
            table = np.bincount(keys)
            found = np.flatnonzero(table)
            counts = table[found]
        return found.astype(np.int64) + 2 * first, counts

    def _numbers(self, values: np.ndarray, negative: np.ndarray | None) -> np.ndarray:
        """Return the int32 numbers of the bins of float32 values, which are written over."""
        if negative is not None:
            np.abs(values, out=values)
        values += self.offset
        numbers: np.ndarray = values.view(np.int32) >> self._shift
        numbers -= self._base
        if negative is not None:
            np.subtract(-1, numbers, out=numbers, where=negative)
        return numbers

    def edges(self, numbers: np.ndarray) -> np.ndarray:
        """Return the largest float64 values of bins, given their numbers."""
        last = ((numbers + 1 + self._base) << self._shift) - 1
        mirrored = (-1 - numbers + self._base) << self._shift
        bits = np.where(numbers < 0, mirrored, last).astype(np.int32)
        above: np.ndarray = bits.view(np.float32).astype(np.float64) - float(self.offset)
        return np.where(numbers < 0, -above, above)


class Bins:
    """How many pairs lie in each bin, by the keys of :meth:`Scale.keys`."""

    def __init__(self) -> None:
        self._first = 0
        self._counts = np.zeros(0, dtype=np.int64)

    def add(self, keys: np.ndarray, counts: np.ndarray) -> None:
        """Add the (n,) counts of (n,) keys; the smallest key comes first and the largest last."""
        low, high = int(keys[0]) & ~1, int(keys[-1]) | 1
        if len(self._counts):
            low, high = min(low, self._first), max(high, self._first + len(self._counts) - 1)
        if high - low >= len(self._counts):
            grown = np.zeros(high - low + 1, dtype=np.int64)
            grown[self._first - low :][: len(self._counts)] = self._counts
            self._first, self._counts = low, grown
        np.add.at(self._counts, keys - self._first, counts)

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (b,) numbers of the bins that hold a pair, and the (b, 2) counts of negative and positive ones."""
        counts = self._counts.reshape(-1, 2)
        # Of two columns this takes a third of the time of a reduction over rows.
        held = np.flatnonzero(counts[:, 0] | counts[:, 1])
        return held + self._first // 2, counts[held]


def coarsened(keys: np.ndarray, coarser: int) -> np.ndarray:
    """Return the keys of bins each of which holds 2**coarser of those of these keys."""
    coarse: np.ndarray = (keys >> (1 + coarser) << 1) | (keys & 1)
    return coarse
