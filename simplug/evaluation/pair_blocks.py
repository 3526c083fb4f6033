"""The distances of all pairs, block after block."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import attrs
import numpy as np

from simplug.api.distance import Distance
from simplug.evaluation.cores import in_parallel
from simplug.evaluation.pair_measures import PairMeasure
from simplug.kernel.errors import InvalidInputError

Result = TypeVar("Result")

_ROWS, _COLUMNS = 1024, 2048
"""How many examples are measured against how many others at once."""

_FARTHEST = 2.0**126
"""Distances up to this are counted: those of all embeddings whose squares fit float32."""


@attrs.frozen(eq=False)
class Examples:
    """Embeddings and their labels.

    Attributes:
        embeddings: (n, d) float32, checked.
        labels: (n,) int64.
        groups: (n,) int64, ascending: what is drawn together when intervals are made; None when nothing is.
        ids: (n,) int64: examples and references with the same id are the same, which is no pair; None where none are.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None
    ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def tiles(self, most: int) -> Iterator[slice]:
        """Yield the examples in parts, none of them larger than this and none with two groups."""
        starts = [0] if self.groups is None else np.flatnonzero(np.diff(self.groups, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], len(self)], strict=True):
            yield from (slice(first, min(first + most, end)) for first in range(start, end, most))

    def group(self, tile: slice) -> int:
        """Return the group of a tile."""
        return 0 if self.groups is None else int(self.groups[tile.start])


@attrs.frozen(eq=False)
class PairBlock:
    """Some pairs.

    Attributes:
        values: (p,) float32, from which :meth:`PairMeasure.distances` makes distances; they may be written over.
        positive: (p,) booleans: whether the two have one label.
        cell: The groups of the two.
    """

    values: np.ndarray
    positive: np.ndarray
    cell: tuple[int, int]


def over_pairs(
    work: Callable[[PairBlock], Result],
    measure: PairMeasure,
    examples: Examples,
    references: Iterable[Examples] | None = None,
) -> Iterator[Result]:
    """Do some work on all pairs, each in one block, on all cores at once.

    Args:
        work: What to do with a block; several threads do it at a time.
        measure: How to measure pairs.
        examples: The examples that pairs are measured from.
        references: The examples that pairs are measured to, in blocks; None for pairs within `examples`, each from the
            earlier one to the later, none of an example with itself.

    Yields:
        What the work returned, in an order that does not change.

    Raises:
        InvalidInputError: A distance is no finite number.
    """
    queries = measure.query_factors(examples.embeddings)
    for block in [examples] if references is None else references:
        one = _Pairs(measure, examples, queries, block, measure.factors(block.embeddings), references is None)
        for found in in_parallel(functools.partial(_worked, work, one), one.tiles()):
            yield from found


def _worked(work: Callable[[PairBlock], Result], pairs: _Pairs, tile: tuple[slice, slice]) -> list[Result]:
    """Return what some work makes of a block, unless it holds no pair."""
    block = pairs.block(*tile)
    return [work(block)] if block.values.size else []


@attrs.frozen(eq=False)
class _Pairs:
    """Pairs from all examples to some references, which are the examples themselves if `within` says so."""

    measure: PairMeasure
    examples: Examples
    queries: np.ndarray
    references: Examples
    factors: np.ndarray
    within: bool

    def tiles(self) -> list[tuple[slice, slice]]:
        """Return the rows and columns of blocks that together hold each pair once."""
        return [
            (rows, columns)
            for columns in self.references.tiles(_COLUMNS)
            for rows in self.examples.tiles(_ROWS)
            if not self.within or rows.start < columns.stop
        ]

    def block(self, rows: slice, columns: slice) -> PairBlock:
        """PairMeasure a block."""
        values = self.measure.values(self.queries[rows], self.factors[columns])
        positive = self.examples.labels[rows, None] == self.references.labels[columns]
        kept = self._kept(rows, columns)
        if kept is not None:
            values, positive = values[kept], positive[kept]
        if values.size:
            _require_finite(values, self.measure.distance)
        cell = self.examples.group(rows), self.references.group(columns)
        return PairBlock(values.ravel(), positive.ravel(), cell)

    def _kept(self, rows: slice, columns: slice) -> np.ndarray | None:
        """Return which pairs of a block are to be counted, None for all."""
        if self.within and rows.stop > columns.start:
            later: np.ndarray = np.arange(columns.start, columns.stop) > np.arange(rows.start, rows.stop)[:, None]
            return later
        if self.examples.ids is None or self.references.ids is None:
            return None
        different: np.ndarray = self.examples.ids[rows, None] != self.references.ids[columns]
        return None if different.all() else different


def _require_finite(values: np.ndarray, distance: Distance) -> None:
    # The extremes are NaN where any value is.
    low, high = float(values.min()), float(values.max())
    if not (low >= -_FARTHEST and high <= _FARTHEST):
        wrong = values[~(np.abs(values) <= _FARTHEST)]
        raise InvalidInputError(
            f"{distance!r} gives {wrong.size} of {values.size} pairs a distance such as {wrong[0]}; it is to be a "
            f"finite number up to {_FARTHEST:g}"
        )
