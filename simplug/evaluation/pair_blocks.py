"""The distances of all pairs, block after block: measured fast in float32, or by the distance's own definition."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import attrs
import numpy as np

from simplug.api.distance import Distance
from simplug.evaluation.cores import in_parallel
from simplug.kernel.errors import InvalidInputError

Result = TypeVar("Result")

_ROWS, _COLUMNS = 1024, 2048
"""How many examples are measured against how many others at once."""

_SEEN = 1024
"""Of about so many embeddings the middle is found."""

_FARTHEST = 2.0**126
"""Distances up to this are counted: those of all embeddings whose squares fit float32."""

_NOISE = 2.0**-44
"""One minus a product of float64 vectors is uncertain by less than this where it ought to be 0."""


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
        values: (p,) float32, from which :meth:`Measure.distances` makes distances; they may be written over.
        positive: (p,) booleans: whether the two have one label.
        cell: The groups of the two.
    """

    values: np.ndarray
    positive: np.ndarray
    cell: tuple[int, int]


class Measure(ABC):
    """How values of pairs are found.

    Args:
        distance: What to measure.
        queries: (n, d) float32 embeddings that all others are measured from.
    """

    def __init__(self, distance: Distance, queries: np.ndarray) -> None:
        self.distance = distance

    @abstractmethod
    def query_factors(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (n, d) queries as :meth:`values` takes them."""

    @abstractmethod
    def factors(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (m, d) references as :meth:`values` takes them."""

    @abstractmethod
    def values(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float32 values of all pairs, in a new array."""

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the distances that belong to values, of which they are a function that never falls."""
        return self.distance.from_space(values)


class _Defined(Measure):
    """By the definition of the distance in float64, rounded to float32 as an index returns distances."""

    def query_factors(self, embeddings: np.ndarray) -> np.ndarray:
        return embeddings

    def factors(self, embeddings: np.ndarray) -> np.ndarray:
        return embeddings

    def values(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        distances: np.ndarray = self.distance.numpy(queries, references)
        if self.distance.space == "ip":
            # Equal vectors are equally far, whatever float64 leaves of 1 - 1.
            distances = np.where(np.abs(distances) < _NOISE, 0.0, distances)
        with np.errstate(over="ignore"):
            return distances.astype(np.float32)

    def distances(self, values: np.ndarray) -> np.ndarray:
        return values


class _Products(Measure):
    """One minus the inner product, by a matrix product in float32."""

    def query_factors(self, embeddings: np.ndarray) -> np.ndarray:
        return -self.distance.prepare(embeddings)

    def factors(self, embeddings: np.ndarray) -> np.ndarray:
        return self.distance.prepare(embeddings)

    def values(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        values: np.ndarray = queries @ references.T
        values += 1
        return values


class _Squares(Measure):
    """The squared Euclidean distance as seen from the middle, by a matrix product in float32: most exact there."""

    def __init__(self, distance: Distance, queries: np.ndarray) -> None:
        super().__init__(distance, queries)
        # A single embedding far away would draw a mean away from all others.
        some = queries[:: -(-len(queries) // _SEEN)]
        self.center = np.median(distance.prepare(some).astype(np.float64), axis=0)

    def query_factors(self, embeddings: np.ndarray) -> np.ndarray:
        seen = self._seen(embeddings)
        return self._joined(-2 * seen, _squares(seen), np.ones(len(seen)))

    def factors(self, embeddings: np.ndarray) -> np.ndarray:
        seen = self._seen(embeddings)
        return self._joined(seen, np.ones(len(seen)), _squares(seen))

    def values(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        # The squares of the norms ride along as two more components.
        values: np.ndarray = queries @ references.T
        np.maximum(values, 0, out=values)
        return values

    def _seen(self, embeddings: np.ndarray) -> np.ndarray:
        seen: np.ndarray = self.distance.prepare(embeddings) - self.center
        return seen.astype(np.float32)

    def _joined(self, vectors: np.ndarray, *columns: np.ndarray) -> np.ndarray:
        return np.concatenate([vectors, *(column[:, None] for column in columns)], axis=1, dtype=np.float32)


def measure_of(distance: Distance, queries: np.ndarray, *, exact: bool) -> Measure:
    """Return how a distance is measured from some queries: by its definition if wanted, else as fast as can be."""
    fast = {"ip": _Products, "l2": _Squares}.get(distance.space or "", _Defined)
    return (_Defined if exact else fast)(distance, queries)


def over_pairs(
    work: Callable[[PairBlock], Result],
    measure: Measure,
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

    measure: Measure
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
        """Measure a block."""
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


def _squares(vectors: np.ndarray) -> np.ndarray:
    squares: np.ndarray = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return squares


def _require_finite(values: np.ndarray, distance: Distance) -> None:
    # The extremes are NaN where any value is.
    low, high = float(values.min()), float(values.max())
    if not (low >= -_FARTHEST and high <= _FARTHEST):
        wrong = values[~(np.abs(values) <= _FARTHEST)]
        raise InvalidInputError(
            f"{distance!r} gives {wrong.size} of {values.size} pairs a distance such as {wrong[0]}; it is to be a "
            f"finite number up to {_FARTHEST:g}"
        )
