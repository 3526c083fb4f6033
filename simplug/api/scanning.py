"""Exact neighbours by looking at every vector: a fast, coarse pass leaves few pairs to be measured exactly."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from simplug.api.distance import Distance

_QUERIES, _CELLS, _NUMBERS = 256, 1 << 19, 1 << 22
"""How many queries, pairs and components of vectors are looked at together: the pairs stay in a processor's cache."""

_PAIRS = 2048
"""How many pairs are measured together."""

_FARTHEST = float(np.finfo(np.float32).max)
_SINGLE, _DOUBLE = 2.0**-24, 2.0**-53
"""The largest relative error of one operation in float32 and in float64."""

_SMALLEST = 2.0**-126
"""The smallest normal float32: what a product below it may lose."""


class Block(NamedTuple):
    """Vectors to be scanned.

    Attributes:
        rows: (m,) int64, ascending, and higher than those of the blocks before.
        vectors: (m, d) float32, prepared by :meth:`simplug.api.Distance.prepare`.
        squares: :func:`sums_of_squares` of `vectors`; None to have them worked out, which takes as long as a lookup
            of one query.
    """

    rows: np.ndarray
    vectors: np.ndarray
    squares: np.ndarray | None = None


def sums_of_squares(vectors: np.ndarray) -> np.ndarray:
    """Return the (n,) float32 sums of the squared components of (n, d) vectors, each rounded once."""
    sums = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    rounded: np.ndarray = np.minimum(sums, _FARTHEST).astype(np.float32)
    return rounded


def scan(
    distance: Distance, queries: np.ndarray, blocks: Iterable[Block], k: int, *, cells: int = 1 << 22
) -> tuple[np.ndarray, np.ndarray]:
    """Find the exact neighbours among all vectors, in bounded memory.

    Where the distance has the space ``l2`` or ``ip``, vectors are multiplied in float32. A pair that is farther than
    the k nearest so far, by more than rounding explains, is left out; the others are measured in float64, each by
    itself, so that equal vectors have equal distances. Where rounding explains too much, as far from the origin, the
    product is made again in float64. Other distances are measured by their :meth:`~simplug.api.Distance.numpy`.

    Args:
        distance: What to measure.
        queries: (q, d) float32, prepared by :meth:`simplug.api.Distance.prepare`.
        blocks: The vectors, block after block.
        k: How many neighbours to find.
        cells: How many distances without such a space may be in memory at once, if a block is not larger.

    Returns:
        What :meth:`simplug.api.Engine.search` returns.
    """
    part = {"l2": _Squares, "ip": _Products}.get(distance.space or "", _Defined)
    parts: list[_Part] | None = None
    for block in blocks:
        if parts is None:
            size = min(_QUERIES, max(1, cells // max(1, len(block.rows)))) if part is _Defined else _QUERIES
            parts = [part(distance, queries[start : start + size], k) for start in range(0, len(queries), size)]
        for one in parts:
            one.push(block)
    if not parts:
        return np.full((len(queries), k), -1, dtype=np.int64), np.full((len(queries), k), np.inf, dtype=np.float32)
    results = [one.nearest.result() for one in parts]
    if len(results) == 1:
        return results[0]
    return np.concatenate([rows for rows, _ in results]), np.concatenate([distances for _, distances in results])


class Nearest:
    """The k nearest rows of some queries, while more arrive.

    Distances are compared as they are returned, in float32; equal ones stay in the order in which they arrive.

    Attributes:
        limits: (q,) float64; a value that is not below has no place among the k nearest any more.
    """

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._which = np.repeat(np.arange(queries), k)
        self._rows = np.full(queries * k, -1, dtype=np.int64)
        self._values = np.full(queries * k, np.inf)
        self._distances = np.full(queries * k, np.inf, dtype=np.float32)
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._room = queries * k
        self.limits = np.full(queries, np.inf)

    def push(self, which: np.ndarray, rows: np.ndarray, values: np.ndarray, distances: np.ndarray) -> None:
        """Take in (n,) pairs.

        Args:
            which: The number of each pair's query.
            rows: Its row; for each query ascending, and higher than all pushed before.
            values: Something that the distance never falls with, in float64.
            distances: The distance, in float32.
        """
        self._waiting.append((which, rows, values, distances))
        self._room -= len(rows)
        if self._room <= 0:
            self._merge()

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (q, k) rows and float32 distances as :meth:`simplug.api.Engine.search` does."""
        if self._waiting:
            self._merge()
        return self._rows.reshape(-1, self._k), self._distances.reshape(-1, self._k)

    def _merge(self) -> None:
        which, rows, values, distances = (
            np.concatenate(column)
            for column in zip((self._which, self._rows, self._values, self._distances), *self._waiting, strict=True)
        )
        order = np.lexsort((distances, which))
        if len(self.limits) == 1:
            chosen = order[: self._k]
        else:
            counts = np.bincount(which)
            chosen = order[((np.cumsum(counts) - counts)[:, None] + np.arange(self._k)).ravel()]
        self._rows, self._values, self._distances = rows[chosen], values[chosen], distances[chosen]
        self._waiting, self._room = [], len(chosen)
        self.limits = self._values[self._k - 1 :: self._k]


class _Part(ABC):
    """Some of the queries, and what was found for them so far."""

    def __init__(self, distance: Distance, queries: np.ndarray, k: int) -> None:
        self.distance = distance
        self.queries = queries
        self.k = k
        self.nearest = Nearest(len(queries), k)

    @abstractmethod
    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""

    @abstractmethod
    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the (n,) float32 distances that belong to (n,) float64 values."""

    def near(
        self, coarse: np.ndarray, offsets: np.ndarray | float, errors: np.ndarray | float, enough: int
    ) -> np.ndarray:
        """Return which pairs may be among the k nearest, as ascending positions in the flattened table.

        Args:
            coarse: (q, m) values, less their offsets.
            offsets: (q,) float64, what to add to a row of `coarse`.
            errors: (q,) float64, how far a value may be from the true one.
            enough: How many pairs may come of the limits so far, before closer ones are taken from `coarse` itself.
        """
        limits = self.nearest.limits
        found = None
        if limits[0] < np.inf:
            found = _at_most(coarse, limits - offsets + errors)
            if len(found) <= enough:
                return found
        if coarse.shape[1] > self.k:
            own = np.partition(coarse, self.k - 1, axis=1)[:, self.k - 1].astype(np.float64) + offsets + errors
            limits = np.minimum(limits, self._beyond_ties(own))
            return _at_most(coarse, limits - offsets + errors)
        return np.arange(coarse.size) if found is None else found

    def _beyond_ties(self, values: np.ndarray) -> np.ndarray:
        """Return (q,) larger values, as large as it takes for a larger distance in float32."""
        distances = self.distances(values)
        wider = values
        step = np.abs(values) * 2.0**-22 + 2.0**-140
        tied = values < np.inf
        while tied.any():
            wider = values + step
            tied = (self.distances(wider) == distances) & (wider < np.inf)
            step = np.where(tied, 16 * step, step)
        return wider


class _Defined(_Part):
    """Measures by the distance's definition."""

    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""
        values = self.distance.numpy(self.queries, block.vectors)
        which, columns = np.divmod(self.near(values, 0.0, 0.0, 4 * self.k * len(values)), values.shape[1])
        values = values[which, columns]
        self.nearest.push(which, block.rows[columns], values, self.distances(values))

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the values themselves in float32."""
        return _as_distances(values)


class _InSpace(_Part):
    """Measures in the space of the distance."""

    def __init__(self, distance: Distance, queries: np.ndarray, k: int) -> None:
        super().__init__(distance, queries, k)
        self.exact = queries.astype(np.float64)
        self.squares = np.einsum("ij,ij->i", self.exact, self.exact)
        self.norms = np.sqrt(self.squares)
        self.dim = queries.shape[1]
        self.width = max(1, min(_CELLS // max(1, len(queries)), _NUMBERS // self.dim))

    @abstractmethod
    def single(self, vectors: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray | float, np.ndarray]:
        """Return what :meth:`near` takes, by a product in float32 that does not overflow."""

    @abstractmethod
    def double(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray | float, np.ndarray]:
        """Return what :meth:`near` takes, by a product in float64."""

    @abstractmethod
    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) values of n pairs, from (n, d) float64 vectors, each by itself."""

    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""
        squares = sums_of_squares(block.vectors) if block.squares is None else block.squares
        for start in range(0, len(block.rows), self.width):
            tile = slice(start, start + self.width)
            self._push(block.rows[tile], block.vectors[tile], squares[tile])

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return what the distance makes of values in its space, in float32."""
        return _as_distances(self.distance.from_space(values))

    def _push(self, rows: np.ndarray, vectors: np.ndarray, squares: np.ndarray) -> None:
        # To measure so many pairs takes no longer than a product in float64, of which one part is per vector.
        enough = max(4 * self.k * len(self.queries), len(self.queries) * len(rows) // 32, len(rows))
        largest = _largest(squares)
        pairs = None
        if largest * (largest + 2 * float(self.norms.max())) < _FARTHEST / 4:
            pairs = self.near(*self.single(vectors, squares), enough)
        if pairs is None or len(pairs) > enough:
            pairs = self.near(*self.double(vectors), enough)
            if len(pairs) > 8 * len(rows):
                pairs = pairs[_first_copies(vectors, self.k)[pairs % len(rows)]]
        if not len(pairs):
            return
        which, columns = np.divmod(pairs, len(rows))
        values = np.empty(len(pairs))
        for start in range(0, len(pairs), _PAIRS):
            some = slice(start, start + _PAIRS)
            values[some] = self.measure(self.exact[which[some]], vectors[columns[some]].astype(np.float64))
        self.nearest.push(which, rows[columns], values, self.distances(values))


class _Squares(_InSpace):
    """Measures squared Euclidean distances; a table holds ``|x|^2 - 2 q.x``."""

    def __init__(self, distance: Distance, queries: np.ndarray, k: int) -> None:
        super().__init__(distance, queries, k)
        self.factors = -2 * queries

    def single(self, vectors: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what :meth:`near` takes, by a product in float32."""
        coarse = self.factors @ vectors.T
        coarse += squares
        largest = _largest(squares)
        bound = 2 * _rounding(self.dim + 4, _SINGLE) * largest * (self.norms + largest)
        return coarse, self.squares, bound + self._own_error(largest) + 4 * self.dim * _SMALLEST

    def double(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what :meth:`near` takes; measured from the mean of the vectors, where rounding costs least."""
        center = vectors.mean(axis=0, dtype=np.float64)
        queries, references = self.exact - center, vectors - center
        squares = np.einsum("ij,ij->i", references, references)
        coarse = (-2 * queries) @ references.T
        coarse += squares
        offsets = np.einsum("ij,ij->i", queries, queries)
        bound = 4 * _rounding(self.dim + 4, _DOUBLE) * (np.sqrt(offsets) + float(squares.max()) ** 0.5) ** 2
        return coarse, offsets, bound

    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) squares of n pairs."""
        vectors -= queries
        values: np.ndarray = np.einsum("ij,ij->i", vectors, vectors)
        return values

    def _own_error(self, largest: float) -> np.ndarray:
        """Return what float64 leaves of the offsets and of the measured values."""
        error: np.ndarray = 4 * _rounding(self.dim + 4, _DOUBLE) * (self.norms + largest) ** 2
        return error


class _Products(_InSpace):
    """Measures one minus the inner product; a table holds ``-q.x``."""

    def __init__(self, distance: Distance, queries: np.ndarray, k: int) -> None:
        super().__init__(distance, queries, k)
        self.factors = -queries

    def single(self, vectors: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Return what :meth:`near` takes, by a product in float32."""
        bound = _rounding(self.dim + 4, _SINGLE) * _largest(squares) * self.norms
        return self.factors @ vectors.T, 1.0, bound + 2 * self.dim * _SMALLEST

    def double(self, vectors: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Return what :meth:`near` takes, by a product in float64."""
        references = vectors.astype(np.float64)
        largest = float(np.einsum("ij,ij->i", references, references).max()) ** 0.5
        return -(self.exact @ references.T), 1.0, 4 * _rounding(self.dim + 4, _DOUBLE) * largest * self.norms

    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) values of n pairs."""
        values: np.ndarray = 1 - np.einsum("ij,ij->i", queries, vectors)
        return values


def _at_most(coarse: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return the positions in the flattened table of what is not above (q,) limits, which are rounded upwards."""
    limits = limits + np.abs(limits) * np.finfo(coarse.dtype).eps
    if coarse.dtype == np.float32:
        limits = np.minimum(limits, _FARTHEST).astype(np.float32)
    if len(limits) == 1:
        return np.flatnonzero(coarse[0] <= limits[0])
    return np.flatnonzero(coarse <= limits[:, None])


def _as_distances(values: np.ndarray) -> np.ndarray:
    """Return float32; what is beyond it is the farthest there is, as infinity would read as an unfilled place."""
    distances: np.ndarray = np.minimum(np.maximum(values, -_FARTHEST), _FARTHEST).astype(np.float32)
    return distances


def _rounding(steps: int, unit: float) -> float:
    """Return the largest relative error of a sum of products after so many operations, in whatever order."""
    return steps * unit / (1 - steps * unit)


def _largest(squares: np.ndarray) -> float:
    """Return a bound of the norms from their squares in float32, in which the smallest vanish."""
    return math.sqrt(float(squares.max()) + 2.0**-148)


def _first_copies(vectors: np.ndarray, k: int) -> np.ndarray:
    """Return which of (m, d) vectors are among the first k that equal them bit by bit: others are never found."""
    vectors = np.ascontiguousarray(vectors)
    whole = vectors.view(np.dtype((np.void, vectors.strides[0]))).ravel()
    copies = np.unique(whole, return_inverse=True)[1].ravel()
    order = np.argsort(copies, kind="stable")
    ordered = copies[order]
    kept = np.empty(len(vectors), dtype=bool)
    kept[order] = np.arange(len(vectors)) - np.searchsorted(ordered, ordered) < k
    return kept
