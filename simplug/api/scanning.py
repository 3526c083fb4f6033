"""Exact neighbours by looking at every vector: a fast, coarse pass leaves few pairs to be measured exactly."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple, TypeVar

import attrs
import numpy as np

from simplug.api.distance import Distance

_QUERIES, _CELLS, _NUMBERS = 1024, 1 << 20, 1 << 22
"""How many queries, pairs and components of vectors are multiplied together."""

_MANY = 256
"""From how many queries on it pays to copy the vectors with further components."""

_COMPARED = 1 << 18
"""How many pairs are compared together: they stay in a processor's cache."""

_SOME = 1024
"""Among how many vectors, or an eighth of all if these are more, the first neighbours are looked for."""

_KEPT = 1 << 18
"""How many neighbours are kept together."""

_WAITING = 4
"""How many pairs wait to be measured for each neighbour that is kept: the more wait, the fewer need to be."""

_PAIRS = 512
"""How many pairs are measured together."""

_Pairs = tuple[np.ndarray, ...]
"""(n,) numbers of queries, (n,) numbers of vectors, and what (n,) values are not below and not above."""

_Norms = TypeVar("_Norms", float, np.ndarray)

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
        largest: What none of `squares` exceeds; None to have it worked out.
    """

    rows: np.ndarray
    vectors: np.ndarray
    squares: np.ndarray | None = None
    largest: float | None = None

    def squares_of_all(self) -> np.ndarray:
        """Return the (m,) `squares`."""
        return sums_of_squares(self.vectors) if self.squares is None else self.squares


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
    parts: Sequence[_Part | _ForOne] | None = None
    for block in blocks:
        if parts is None:
            size = min(_QUERIES, max(1, cells // max(1, len(block.rows)))) if part is _Defined else _QUERIES
            size = min(size, max(1, _KEPT // k))
            scratch = _Scratch()
            general = [
                part(distance, queries[start : start + size], k, scratch) for start in range(0, len(queries), size)
            ]
            parts = [_ForOne(one) if isinstance(one, _InSpace) and len(queries) == 1 else one for one in general]
        for one in parts:
            one.push(block)
    if not parts:
        return np.full((len(queries), k), -1, dtype=np.int64), np.full((len(queries), k), np.inf, dtype=np.float32)
    results = [one.result() for one in parts]
    if len(results) == 1:
        return results[0]
    return np.concatenate([rows for rows, _ in results]), np.concatenate([distances for _, distances in results])


class Nearest:
    """The k nearest rows of some queries, while more arrive.

    Distances are compared as they are returned, in float32; equal ones stay in the order in which they arrive.

    Attributes:
        limits: (q,) float64; a value of a later row that is not below has no place among the k nearest. None while a
            query may have fewer than k. Whoever knows k such values of each query may lower it before they are pushed.
    """

    def __init__(self, queries: int, k: int) -> None:
        self._queries = queries
        self._k = k
        self._pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._room = queries * k
        self.limits: np.ndarray | None = None

    def push(self, which: np.ndarray, rows: np.ndarray, values: np.ndarray, distances: np.ndarray) -> None:
        """Take in (n,) pairs: all of some rows, or those that may be among the k nearest.

        Args:
            which: The number of each pair's query.
            rows: Its row; for each query ascending, and higher than all pushed before.
            values: Something that the distance never falls with, in float64.
            distances: The distance, in float32.
        """
        self._pairs.append((which, rows, values, distances))
        self._room -= len(rows)
        if self._room <= 0:
            which, rows, values, distances = self._nearest()
            self._pairs, self._room = [(which, rows, values, distances)], self._queries * self._k
            self.limits = values[self._k - 1 :: self._k]

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (q, k) rows and float32 distances as :meth:`simplug.api.Engine.search` does."""
        if self.limits is None:
            every = np.repeat(np.arange(self._queries), self._k)
            nothing, unfilled = np.full(len(every), -1, dtype=np.int64), np.full(len(every), np.inf)
            self._pairs.append((every, nothing, unfilled, unfilled.astype(np.float32)))
        _, rows, _, distances = self._nearest() if len(self._pairs) > 1 else self._pairs[0]
        return rows.reshape(-1, self._k), distances.reshape(-1, self._k)

    def _nearest(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the k nearest pairs of each query, of which each has as many at least."""
        pairs = self._pairs[0]
        if len(self._pairs) > 1:
            which, rows, values, distances = (np.concatenate(column) for column in zip(*self._pairs, strict=True))
        else:
            which, rows, values, distances = pairs
        if self._queries == 1:
            chosen = distances.argsort(kind="stable")[: self._k]
        else:
            counts = np.bincount(which)
            starts = np.cumsum(counts) - counts
            chosen = _ordered(which, distances)[(starts[:, None] + np.arange(self._k)).ravel()]
        return which[chosen], rows[chosen], values[chosen], distances[chosen]


class _Scratch:
    """Memory that all parts use in turn for their products."""

    def __init__(self) -> None:
        self._numbers = {name: np.empty(0, dtype=np.float32) for name in ("table", "vectors")}

    def table(self, queries: int, count: int) -> np.ndarray:
        """Return a (q, m) float32 array, whose numbers are lost when the next is asked for."""
        return self._array("table", queries, count)

    def vectors(self, count: int, dim: int) -> np.ndarray:
        """Return an (m, d) float32 array, whose numbers are lost when the next is asked for."""
        return self._array("vectors", count, dim)

    def _array(self, name: str, *shape: int) -> np.ndarray:
        size = math.prod(shape)
        if len(self._numbers[name]) < size:
            self._numbers[name] = np.empty(size, dtype=np.float32)
        return self._numbers[name][:size].reshape(shape)


class _Part(ABC):
    """Some of the queries, and what was found for them so far."""

    def __init__(self, distance: Distance, queries: np.ndarray, k: int, scratch: _Scratch) -> None:
        self.distance = distance
        self.queries = queries
        self.k = k
        self.scratch = scratch
        self.nearest = Nearest(len(queries), k)

    @abstractmethod
    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""

    @abstractmethod
    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the (n,) float32 distances that belong to (n,) float64 values."""

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what was found, as :meth:`simplug.api.Engine.search` does."""
        return self.nearest.result()

    def near(self, table: _Table, enough: int) -> np.ndarray:
        """Return which pairs may be among the k nearest, as ascending positions in the flattened table.

        Args:
            table: The values of all pairs.
            enough: How many pairs may come of the limits so far, before closer ones are taken from the table itself.
        """
        limits, found = self.nearest.limits, None
        if limits is not None:
            found = table.at_most(limits)
            if len(found) <= enough:
                return found
        count = table.coarse.shape[1]
        if count <= self.k:
            return np.arange(table.coarse.size) if found is None else found
        some = self.some(count) if limits is None else count
        own = self.beyond_ties(table.values_at_most(self.k, some))
        self.nearest.limits = own if limits is None else np.minimum(limits, own)
        return table.at_most(self.nearest.limits)

    def some(self, count: int) -> int:
        """Return how many of so many vectors have neighbours that leave few enough of all."""
        some = max(_SOME, count // 8)
        return some if 8 * self.k < some < count else count

    def beyond_ties(self, values: np.ndarray) -> np.ndarray:
        """Return (q,) larger values, as large as it takes for a larger distance in float32."""
        steps = np.abs(values) * 2.0**-22 + 2.0**-140
        wider = values + steps
        distances, wide = self.distances(np.concatenate([values, wider])).reshape(2, -1)
        tied = wide == distances
        with np.errstate(over="ignore"):
            while tied.any():
                steps = np.where(tied, 16 * steps, steps)
                wider = values + steps
                tied = (self.distances(wider) == distances) & (wider < np.inf)
        return np.asarray(wider)


@attrs.frozen(eq=False)
class _Table:
    """Values of pairs, from which distances follow, not quite exact.

    Attributes:
        coarse: (q, m) values, less their offsets.
        offsets: (q,) float64, what to add to a row of `coarse`.
        errors: (q,) float64, how far a value may be from what is measured.
    """

    coarse: np.ndarray
    offsets: np.ndarray
    errors: np.ndarray

    def values_at_most(self, k: int, among: int) -> np.ndarray:
        """Return (q,) float64 values that the k smallest of each query, among so many at the start, do not exceed."""
        values: np.ndarray = np.partition(self.coarse[:, :among], k - 1)[:, k - 1] + (self.errors + self.offsets)
        return values

    def at_most(self, limits: np.ndarray) -> np.ndarray:
        """Return the positions in the flattened table of values that may be at most these (q,) limits."""
        limits = limits + (self.errors - self.offsets)
        if self.coarse.dtype == np.float32:
            limits = np.clip(limits + np.abs(limits) * (2 * _SINGLE), -_FARTHEST, _FARTHEST).astype(np.float32)
        else:
            limits = limits + np.abs(limits) * (2 * _DOUBLE)
        highest = limits.max()
        if float(highest) - float(limits.min()) <= self.errors.max():
            # To compare all with one number takes a third of the time, and lets little more pass.
            return np.flatnonzero(self.coarse <= highest)
        count = self.coarse.shape[1]
        step = max(1, _COMPARED // count)
        parts = [slice(start, start + step) for start in range(0, len(limits), step)]
        found = [np.flatnonzero(self.coarse[part] <= limits[part, None]) + part.start * count for part in parts]
        return np.concatenate(found)

    def bounds(self, which: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the values of (n,) pairs are not below and not above."""
        values = self.coarse[which, columns] + self.offsets[which]
        errors = self.errors[which] + np.abs(values) * (4 * _DOUBLE)
        return values - errors, values + errors


class _Defined(_Part):
    """Measures by the distance's definition."""

    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""
        values = self.distance.numpy(self.queries, block.vectors)
        zeros = np.zeros(len(values))
        pairs = self.near(_Table(values, zeros, zeros), 4 * self.k * len(values))
        which, columns = np.divmod(pairs, values.shape[1])
        values = values[which, columns]
        self.nearest.push(which, block.rows[columns], values, self.distances(values))

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the values themselves in float32."""
        return _as_distances(values)


class _InSpace(_Part):
    """Measures in the space of the distance; a table holds ``factor q.x``, and ``|x|^2`` more where `squared`.

    Attributes:
        factor: What queries are multiplied by in a product.
        squared: Whether the squares of the vectors are added.
    """

    factor: ClassVar[int]
    squared: ClassVar[bool]

    def __init__(self, distance: Distance, queries: np.ndarray, k: int, scratch: _Scratch) -> None:
        super().__init__(distance, queries, k, scratch)
        self.factors = self.factor * queries
        self.exact = queries.astype(np.float64)
        self.squares = np.einsum("ij,ij->i", self.exact, self.exact)
        self.norms = np.sqrt(self.squares)
        self.longest = float(self.norms.max())
        self.offsets = self.squares if self.squared else np.ones(len(queries))
        self.dim = queries.shape[1]
        self.width = max(1, min(_CELLS // len(queries), _NUMBERS // self.dim))
        self.room = _WAITING * k * len(queries)
        if len(queries) >= _MANY:
            # Two more components are for the squares of the vectors and for what is added to all pairs of a query.
            further = ((0, 0), (0, 2))
            self.extended = np.pad(self.factors, further, constant_values=self.squared)

    @abstractmethod
    def errors(self, norms: _Norms, longest: float) -> _Norms:
        """Return how far values by a product in float32 may be off, for norms of queries, and of vectors at most."""

    @abstractmethod
    def double(self, vectors: np.ndarray) -> _Table:
        """Return all pairs by a product in float64."""

    @abstractmethod
    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) values of n pairs, each by itself: of (n, d) or (1, d), and of (n, d) float64 vectors."""

    def single(self, vectors: np.ndarray, squares: np.ndarray, longest: float) -> _Table:
        """Return all pairs by a product in float32, of (m, d) vectors with norms up to `longest`."""
        errors, limits = self.errors(self.norms, longest), self.nearest.limits
        if len(self.queries) < _MANY or limits is None:
            return _Table(self.product(vectors, squares), self.offsets, errors)
        # What takes the limits to zero is added, so that all values can be compared with about the same number.
        added = np.clip(self.offsets - limits, -_FARTHEST / 4, _FARTHEST / 4).astype(np.float32)
        coarse = self._product_with(added, vectors, squares)
        added = added.astype(np.float64)
        return _Table(coarse, self.offsets - added, errors + _rounding(self.dim + 4, _SINGLE) * np.abs(added))

    def product(self, vectors: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """Return a (q, m) float32 table, which is written over by the next."""
        table = self.scratch.table(len(self.queries), len(vectors))
        np.matmul(self.factors, vectors.T, out=table)
        if self.squared:
            table += squares
        return table

    def _product_with(self, added: np.ndarray, vectors: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """Return the same table with (q,) numbers added: as components of the vectors, these and the squares."""
        table = self.scratch.table(len(self.queries), len(vectors))
        extended = self.scratch.vectors(len(vectors), self.dim + 2)
        extended[:, :-2], extended[:, -2], extended[:, -1] = vectors, squares, 1
        self.extended[:, -1] = added
        np.matmul(self.extended, extended.T, out=table)
        return table

    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""
        squares = block.squares_of_all()
        # Tiles of one width: a narrow one at the end would take longer than its share.
        width = -(-len(block.rows) // -(-len(block.rows) // self.width))
        waiting: list[_Pairs] = []
        room = self.room
        for start in range(0, len(block.rows), width):
            tile = slice(start, start + width)
            which, columns, *bounds = self._near(block.vectors[tile], squares[tile])
            if not len(which):
                continue
            waiting.append((which, columns + start, *bounds))
            room -= len(which)
            if room < 0:
                self._measure(block, waiting)
                waiting, room = [], self.room
        if waiting:
            self._measure(block, waiting)

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return what the distance makes of values in its space, in float32."""
        return _as_distances(self.distance.from_space(values))

    def fits(self, longest: float) -> bool:
        """Say whether values for vectors with norms up to `longest` are far from the largest float32."""
        return longest * (longest + 2 * self.longest) < _FARTHEST / 4

    def _near(self, vectors: np.ndarray, squares: np.ndarray) -> _Pairs:
        """Return the pairs with (m, d) vectors that may be among the k nearest: queries, vectors and bounds."""
        # To measure so many pairs takes no longer than a product in float64, of which one part is per vector.
        enough = max(4 * self.k * len(self.queries), len(self.queries) * len(vectors) // 32, len(vectors))
        longest = _longest(squares.max())
        pairs = None
        if self.fits(longest):
            table = self.single(vectors, squares, longest)
            pairs = self.near(table, enough)
        if pairs is None or len(pairs) > enough:
            table = self.double(vectors)
            pairs = self.near(table, enough)
            if len(pairs) > 8 * len(vectors):
                pairs = pairs[_first_copies(vectors, self.k)[pairs % len(vectors)]]
        which, columns = np.divmod(pairs, len(vectors))
        return which, columns, *table.bounds(which, columns)

    def _measure(self, block: Block, waiting: list[_Pairs]) -> None:
        """Measure the pairs that have waited, unless they turn out not to be among the k nearest of them."""
        pairs = waiting[0] if len(waiting) == 1 else [np.concatenate(column) for column in zip(*waiting, strict=True)]
        which, columns, *bounds = pairs
        if len(which) > _PAIRS:
            lowest, highest = (self.distances(bound) for bound in bounds)
            kept = np.flatnonzero(lowest <= _kth(which, highest, self.k, len(self.queries))[which])
            which, columns = which[kept], columns[kept]
        values = np.empty(len(which))
        for start in range(0, len(which), _PAIRS):
            some = slice(start, start + _PAIRS)
            values[some] = self.measure(self.exact[which[some]], block.vectors[columns[some]].astype(np.float64))
        self.nearest.push(which, block.rows[columns], values, self.distances(values))


class _Squares(_InSpace):
    """Measures squared Euclidean distances; a table holds ``|x|^2 - 2 q.x``."""

    factor: ClassVar[int] = -2
    squared: ClassVar[bool] = True

    def errors(self, norms: _Norms, longest: float) -> _Norms:
        """Return how far values by a product in float32 may be off."""
        sums = norms + longest
        of_product = (2 * _rounding(self.dim + 4, _SINGLE) * longest) * sums
        # So much float64 leaves of the offsets and of what is measured.
        errors: _Norms = of_product + (4 * _rounding(self.dim + 4, _DOUBLE)) * sums**2 + 4 * self.dim * _SMALLEST
        return errors

    def double(self, vectors: np.ndarray) -> _Table:
        """Return all pairs by a product in float64, seen from the mean of the vectors: there rounding costs least."""
        center = vectors.mean(axis=0, dtype=np.float64)
        queries, references = self.exact - center, vectors - center
        squares = np.einsum("ij,ij->i", references, references)
        coarse = (-2 * queries) @ references.T
        coarse += squares
        offsets = np.einsum("ij,ij->i", queries, queries)
        sums = np.sqrt(offsets) + math.sqrt(float(squares.max()))
        return _Table(coarse, offsets, (4 * _rounding(self.dim + 4, _DOUBLE)) * sums**2)

    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) squares of n pairs."""
        differences = vectors - queries
        values: np.ndarray = np.einsum("ij,ij->i", differences, differences)
        return values


class _Products(_InSpace):
    """Measures one minus the inner product; a table holds ``-q.x``."""

    factor: ClassVar[int] = -1
    squared: ClassVar[bool] = False

    def errors(self, norms: _Norms, longest: float) -> _Norms:
        """Return how far values by a product in float32 may be off."""
        errors: _Norms = (_rounding(self.dim + 4, _SINGLE) * longest) * norms + 2 * self.dim * _SMALLEST
        return errors

    def double(self, vectors: np.ndarray) -> _Table:
        """Return all pairs by a product in float64."""
        references = vectors.astype(np.float64)
        longest = math.sqrt(float(np.einsum("ij,ij->i", references, references).max()))
        errors = (4 * _rounding(self.dim + 4, _DOUBLE) * longest) * self.norms
        return _Table(-self.exact @ references.T, self.offsets, errors)

    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) values of n pairs."""
        values: np.ndarray = 1 - np.einsum("ij,ij->i", queries, vectors)
        return values


class _ForOne:
    """The only query, and what was found for it so far.

    Each step takes as long as the products of hundreds of vectors, so there are few.

    Attributes:
        part: What does the same for any number of queries.
    """

    def __init__(self, part: _InSpace) -> None:
        self.part = part
        self._norm, self._offset = part.longest, float(part.offsets[0])
        self._limit: float | None = None
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._room = _PAIRS

    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""
        squares = block.squares_of_all()
        longest = _longest(squares.max() if block.largest is None else block.largest)
        if not self.part.k < len(squares) <= _CELLS or not self.part.fits(longest):
            self._measure()
            self.part.push(block)
            self._take_limit()
            return
        error = self.part.errors(self._norm, longest)
        coarse = self.part.product(block.vectors, squares)[0]
        if self._limit is None:
            self._limit = self._first_limit(coarse, error)
        limit = self._limit + (error - self._offset)
        limit = max(-_FARTHEST, min(limit + abs(limit) * (2 * _SINGLE), _FARTHEST))
        columns = np.flatnonzero(coarse <= np.float32(limit))
        for start in range(0, len(columns), _PAIRS):
            some = columns[start : start + _PAIRS]
            self._waiting.append((block.rows[some], block.vectors[some]))
            self._room -= len(some)
            if self._room < 0:
                self._measure()

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what was found, as :meth:`simplug.api.Engine.search` does."""
        self._measure()
        return self.part.result()

    def _first_limit(self, coarse: np.ndarray, error: float) -> float:
        """Return a value beyond those of the k nearest among (m,) values that may be off so far."""
        k = self.part.k
        limit = float(np.partition(coarse[: self.part.some(len(coarse))], k - 1)[k - 1]) + (error + self._offset)
        wider = limit + abs(limit) * 2.0**-22
        near, far = self.part.distances(np.array([limit, wider]))
        return wider if near < far else float(self.part.beyond_ties(np.array([limit]))[0])

    def _measure(self) -> None:
        """Measure the pairs that have waited."""
        if self._waiting:
            rows, vectors = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
            values = self.part.measure(self.part.exact, vectors.astype(np.float64))
            which = np.zeros(len(rows), dtype=np.int64)
            self.part.nearest.push(which, rows, values, self.part.distances(values))
            self._waiting, self._room = [], _PAIRS
            self._take_limit()

    def _take_limit(self) -> None:
        limits = self.part.nearest.limits
        if limits is not None:
            self._limit = float(limits[0])


def _ordered(which: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return the order of pairs by query, then by float32 distance, then as they stand."""
    place = len(which).bit_length()
    if int(which.max()).bit_length() + 32 + place > 64:
        return np.lexsort((distances, which))
    # One sort of whole numbers that say it all takes a tenth of the time. To add 0 turns -0.0 into 0.0.
    bits = (distances + np.float32(0)).view(np.uint32)
    bits = bits ^ np.where(bits >> 31, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    keys = (which.astype(np.uint64) << np.uint64(32 + place)) | (bits.astype(np.uint64) << np.uint64(place))
    keys |= np.arange(len(which), dtype=np.uint64)
    keys.sort()
    order: np.ndarray = (keys & np.uint64((1 << place) - 1)).astype(np.int64)
    return order


def _kth(which: np.ndarray, distances: np.ndarray, k: int, queries: int) -> np.ndarray:
    """Return the k-th smallest float32 distance of each query's pairs, infinity where it has fewer."""
    counts = np.bincount(which, minlength=queries)
    filled = counts >= k
    lasts = np.full(queries, np.inf, dtype=np.float32)
    places = (np.cumsum(counts) - counts)[filled] + (k - 1)
    lasts[filled] = distances[_ordered(which, distances)[places]]
    return lasts


def _as_distances(values: np.ndarray) -> np.ndarray:
    """Return float32; what is beyond it is the farthest there is, as infinity would read as an unfilled place."""
    distances: np.ndarray = np.minimum(np.maximum(values, -_FARTHEST), _FARTHEST).astype(np.float32)
    return distances


def _longest(square: float) -> float:
    """Return the largest norm that belongs to a square in float32, where the smallest vanish."""
    return math.sqrt(float(square) + 2.0**-148)


def _rounding(steps: int, unit: float) -> float:
    """Return the largest relative error of a sum of products after so many operations, in whatever order."""
    return steps * unit / (1 - steps * unit)


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
