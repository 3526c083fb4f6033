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

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the int32 numbers of the bins of float32 values, which are written over."""
        negative = values < 0 if values.min() < 0 else None
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
    """The numbers of negative and positive pairs in consecutive bins.

    Attributes:
        first: The number of the first bin.
        counts: (b, 2) int64 numbers of negative and of positive pairs.
    """

    def __init__(self) -> None:
        self.first = 0
        self.counts = np.zeros((0, 2), dtype=np.int64)

    def add(self, first: int, counts: np.ndarray) -> None:
        """Add (n, 2) counts of bins from a first one on."""
        if not len(self.counts):
            self.first = first
        low = min(self.first, first)
        high = max(self.first + len(self.counts), first + len(counts))
        if high - low > len(self.counts):
            grown = np.zeros((high - low, 2), dtype=np.int64)
            grown[self.first - low : self.first - low + len(self.counts)] = self.counts
            self.first, self.counts = low, grown
        self.counts[first - low : first - low + len(counts)] += counts

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (n,) int64 numbers and the (n, 2) counts of the bins that hold a pair."""
        held = np.flatnonzero(self.counts.any(axis=1))
        return held + self.first, self.counts[held]


def binned(numbers: np.ndarray, positive: np.ndarray) -> tuple[int, np.ndarray]:
    """Count (p,) int32 numbers of bins, which are written over, for negative and positive pairs apart.

    Returns:
        The number of the first bin, and (b, 2) counts.
    """
    first = int(numbers.min())
    numbers -= first
    span = int(numbers.max()) + 1
    numbers <<= 1
    numbers += positive
    return first, np.bincount(numbers, minlength=2 * span).reshape(span, 2)


def coarsened(first: int, counts: np.ndarray, coarser: int) -> tuple[int, np.ndarray]:
    """Return the counts of bins each of which holds 2**coarser of these, as :func:`binned` returns them."""
    size = 1 << coarser
    before = first % size
    after = -(before + len(counts)) % size
    padded = np.pad(counts, ((before, after), (0, 0)))
    return (first - before) // size, padded.reshape(-1, size, 2).sum(axis=1)
