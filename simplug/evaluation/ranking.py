"""The exact ranking of a gallery for some queries, as hits: whether each neighbour has the label of its query."""

from __future__ import annotations

import functools
import sys
import threading

import attrs
import numpy as np
from numpy.typing import DTypeLike

from simplug.api.distance import Distance
from simplug.evaluation.measures import Coarse, SpaceMeasure, measure_of

_TILE = 2048
"""How many vectors are measured in float64 at once: their distances to some queries stay in a processor's cache."""

_QUERIES = 1024
"""How many queries are ranked at once, at most: of more, a matrix product is hardly faster."""

_FEW = 32
"""A depth of one in so many vectors, or less, is few: float32 tells which vectors need to be measured."""

_AMPLE = 8
"""How many vectors a rank are measured before it is taken that float32 cannot tell them apart."""

_GROUPS = 2048
"""Of how many groups the nearest is looked for, at least: fewer, larger ones take longer to go through."""

_PAIRS = 512
"""How many pairs are measured at once, each by itself."""

_TIED = 2.0**-21
"""More than the relative difference of two values that may be one distance in float32."""

_LAST = np.iinfo(np.int64).max
_HIGH, _LOW = (1, 0) if sys.byteorder == "little" else (0, 1)


class _Scratch(threading.local):
    """Memory that a thread uses again for its next block: to get it anew takes as long as to go through it."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, int], dtype: DTypeLike) -> np.ndarray:
        """Return an array, whose numbers are lost when one of the same name is asked for."""
        count = shape[0] * shape[1]
        if name not in self._kept or len(self._kept[name]) < count:
            self._kept[name] = np.empty(count, dtype=dtype)
        return self._kept[name][:count].reshape(shape)


@attrs.frozen(eq=False)
class Queries:
    """Some queries.

    Attributes:
        vectors: (q, d) float32, prepared by the distance.
        labels: (q,) int64.
        rows: (q,) int64: which vector of the gallery each query is itself; None when none is among them.
    """

    vectors: np.ndarray
    labels: np.ndarray
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def some(self, which: np.ndarray) -> Queries:
        """Return some of them, by their numbers."""
        rows = None if self.rows is None else self.rows[which]
        return Queries(self.vectors[which], self.labels[which], rows)


class Gallery:
    """Vectors with labels, ranked by their distance to queries.

    The rank goes by the distance in float32, as an index returns it, calculated in float64; vectors at one distance
    are in the order of the gallery, and so are equal vectors always. Distances of the spaces ``l2`` and ``ip`` come of
    a matrix product in float64, so that the order of two vectors is sure when their values in that space differ by
    more than some :math:`10^{-14}` times the squared norms and by more than rounding to float32.

    For a small depth a product in float32 comes first. By the largest error that it can have, it tells which vectors
    may be near enough; of these, the ones whose order it does not tell are measured in float64, each by itself.

    Args:
        distance: What to rank by.
        vectors: (n, d) float32, prepared by the distance.
        labels: (n,) int64.
    """

    def __init__(self, distance: Distance, vectors: np.ndarray, labels: np.ndarray) -> None:
        self._vectors = vectors
        self._labels = labels
        self._measure = measure_of(distance, vectors)
        self._scratch = _Scratch()
        self._places = 2 * np.arange(len(labels), dtype=np.int32)

    def __len__(self) -> int:
        return len(self._labels)

    def at_once(self, depth: int, memory: int) -> int:
        """Return how many queries can be ranked to this depth at once in so many bytes; at least 1."""
        cell = 4 if self._is_few(depth) else 8
        return max(1, min(_QUERIES, memory // (cell * len(self))))

    def hits(self, queries: Queries, depth: int) -> np.ndarray:
        """Return (q, depth) booleans: whether each neighbour has the query's label.

        Args:
            queries: What to find neighbours of; a query that is a vector of the gallery is not its own neighbour.
            depth: How many neighbours, at most as many as there are.
        """
        found = None
        if self._is_few(depth) and isinstance(self._measure, SpaceMeasure):
            found = self._hits_of_few(self._measure, queries, depth)
        return self._hits_of_all(queries, depth) if found is None else found

    @functools.cached_property
    def _distinct(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The vectors that differ, and which of them each vector is; None when no two are equal bit by bit."""
        whole = np.ascontiguousarray(self._vectors).view(np.dtype((np.void, self._vectors.strides[0]))).ravel()
        _, first, copies = np.unique(whole, return_index=True, return_inverse=True)
        if len(first) == len(self):
            return self._vectors, None
        return self._vectors[first], copies.ravel()

    def _is_few(self, depth: int) -> bool:
        return isinstance(self._measure, SpaceMeasure) and _FEW * depth <= len(self)

    def _hits_of_all(self, queries: Queries, depth: int) -> np.ndarray:
        """Measure every pair."""
        # One whole number says all: first the distance, then the place in the gallery, then whether it is a hit.
        keys = self._scratch.array("keys", (len(queries), len(self)), np.int64)
        parts = keys.view(np.int32).reshape(*keys.shape, 2)
        distinct, copies = self._distinct
        if copies is not None:
            near = np.empty((len(queries), len(distinct)), dtype=np.int32)
            for tile in _tiles(len(distinct)):
                near[:, tile] = _ordered_bits(self._measure.of_all(queries.vectors, distinct[tile]))
        for tile in _tiles(len(self)):
            parts[:, tile, _HIGH] = (
                _ordered_bits(self._measure.of_all(queries.vectors, distinct[tile]))
                if copies is None
                else near[:, copies[tile]]
            )
            np.add(self._places[tile], self._labels[tile] == queries.labels[:, None], out=parts[:, tile, _LOW])
        if queries.rows is not None:
            keys[np.arange(len(queries)), queries.rows] = _LAST
        if depth < len(self):
            keys.partition(depth - 1, axis=1)
        return _hits(np.sort(keys[:, :depth], axis=1))

    def _hits_of_few(self, measure: SpaceMeasure, queries: Queries, depth: int) -> np.ndarray | None:
        """Look only at the pairs that may be near enough; None when these are too many."""
        shape = len(queries), len(self)
        coarse = measure.coarse(queries.vectors, self._scratch.array("table", shape, np.float32))
        table = coarse.table
        if queries.rows is not None:
            table[np.arange(len(queries)), queries.rows] = np.inf
        limits = self._limits(coarse, depth)
        single = np.nextafter(limits.astype(np.float32), np.float32(np.inf))[:, None]
        chosen = np.flatnonzero(np.less_equal(table, single, out=self._scratch.array("near", shape, np.bool_)))
        if len(chosen) > _AMPLE * depth * len(queries):
            return None
        values = table.ravel()[chosen]
        which = chosen // len(self)
        order = np.argsort((which << 32) + _ordered_bits(values))
        which, columns = which[order], chosen[order] % len(self)
        values = values[order] + coarse.offsets[which]
        errors = coarse.errors[which]
        lowest, highest = (_ordered_bits(measure.distances(bound)) for bound in (values - errors, values + errors))
        counts = np.bincount(which, minlength=len(queries))
        starts = np.cumsum(counts) - counts
        # What was not chosen is farther than this; where it rounds to the distance of the last rank, it may tie.
        beyond = _ordered_bits(measure.distances(limits + coarse.offsets - coarse.errors))
        if np.any(beyond <= highest[starts + depth - 1]):
            return None
        near = _ordered_bits(measure.distances(values))
        doubtful = _overlapping(which, lowest, highest)
        near[doubtful] = _ordered_bits(_measured(measure, queries.vectors, which[doubtful], columns[doubtful]))
        hit = self._labels[columns] == queries.labels[which]
        ranked = np.full((len(queries), counts.max()), _LAST)
        ranked[which, np.arange(len(which)) - starts[which]] = (near.astype(np.int64) << 32) | (2 * columns + hit)
        ranked.sort(axis=1)
        return _hits(ranked[:, :depth])

    def _limits(self, coarse: Coarse, depth: int) -> np.ndarray:
        """Return (q,) values, less their offsets, that those of the `depth` nearest vectors do not exceed."""
        # The nearest of each group: as many of them as there are ranks are hardly farther than the nearest of all.
        groups = max(4 * depth, min(_GROUPS, len(self) // 4))
        size = len(self) // groups
        nearest = np.minimum.reduce(coarse.table[:, : groups * size].reshape(-1, size, groups), axis=1)
        limits = np.partition(nearest, depth - 1, axis=1)[:, depth - 1] + 2 * coarse.errors
        wider: np.ndarray = limits + _TIED * np.abs(limits + coarse.offsets)
        return wider


def _overlapping(which: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Return where the order of pairs is not sure, as those of one query touch: theirs are sorted by their middle."""
    touch = (which[1:] == which[:-1]) & (lowest[1:] <= highest[:-1])
    return np.flatnonzero(np.append(touch, False) | np.append(False, touch))


def _measured(measure: SpaceMeasure, queries: np.ndarray, which: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the (p,) float64 distances of p pairs."""
    distances = np.empty(len(which))
    for start in range(0, len(which), _PAIRS):
        some = slice(start, start + _PAIRS)
        distances[some] = measure.of_pairs(queries[which[some]], columns[some])
    return distances


def _tiles(count: int) -> list[slice]:
    """Return slices of so many."""
    return [slice(start, min(start + _TILE, count)) for start in range(0, count, _TILE)]


def _hits(ranked: np.ndarray) -> np.ndarray:
    """Return the last bit of each of (q, depth) keys."""
    hits: np.ndarray = (ranked & 1).astype(np.bool_)
    return hits


def _ordered_bits(distances: np.ndarray) -> np.ndarray:
    """Return int32 numbers that are ordered as distances in float32 are."""
    with np.errstate(over="ignore"):
        single = distances.astype(np.float32)
    single += 0  # which turns -0.0 into 0.0
    bits = single.view(np.int32)
    if bits.size and bits.min() < 0:
        bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    return np.asarray(bits)
