"""Distances with a space: a fast, coarse product leaves few pairs to be measured exactly."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, TypeVar

import numpy as np

from simplug.api.distance import Distance
from simplug.api.scanning.block import Block
from simplug.api.scanning.ordering import kth_of_each
from simplug.api.scanning.part import Part
from simplug.api.scanning.rounding import FARTHEST, SINGLE, as_distances, longest_norm, rounding
from simplug.api.scanning.scratch import Scratch
from simplug.api.scanning.table import Table

CELLS, _NUMBERS = 1 << 20, 1 << 22
"""How many pairs and components of vectors are multiplied together."""

_MANY = 256
"""From how many queries on it pays to copy the vectors with further components."""

_WAITING = 4
"""How many pairs wait to be measured for each neighbour that is kept: the more wait, the fewer need to be."""

PAIRS = 512
"""How many pairs are measured together."""

Pairs = tuple[np.ndarray, ...]
"""(n,) numbers of queries, (n,) numbers of vectors, and what (n,) values are not below and not above."""

Norms = TypeVar("Norms", float, np.ndarray)


class InSpace(Part):
    """Measures in the space of the distance; a table holds ``factor q.x``, and ``|x|^2`` more where `squared`.

    Attributes:
        factor: What queries are multiplied by in a product.
        squared: Whether the squares of the vectors are added.
    """

    factor: ClassVar[int]
    squared: ClassVar[bool]

    def __init__(self, distance: Distance, queries: np.ndarray, k: int, scratch: Scratch) -> None:
        super().__init__(distance, queries, k, scratch)
        self.factors = self.factor * queries
        self.exact = queries.astype(np.float64)
        self.squares = np.einsum("ij,ij->i", self.exact, self.exact)
        self.norms = np.sqrt(self.squares)
        self.longest = float(self.norms.max())
        self.offsets = self.squares if self.squared else np.ones(len(queries))
        self.dim = queries.shape[1]
        self.width = max(1, min(CELLS // len(queries), _NUMBERS // self.dim))
        self.room = _WAITING * k * len(queries)
        if len(queries) >= _MANY:
            # Two more components are for the squares of the vectors and for what is added to all pairs of a query.
            further = ((0, 0), (0, 2))
            self.extended = np.pad(self.factors, further, constant_values=self.squared)

    @abstractmethod
    def errors(self, norms: Norms, longest: float) -> Norms:
        """Return how far values by a product in float32 may be off, for norms of queries, and of vectors at most."""

    @abstractmethod
    def double(self, vectors: np.ndarray) -> Table:
        """Return all pairs by a product in float64."""

    @abstractmethod
    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) values of n pairs, each by itself: of (n, d) or (1, d), and of (n, d) float64 vectors."""

    def single(self, vectors: np.ndarray, squares: np.ndarray, longest: float) -> Table:
        """Return all pairs by a product in float32, of (m, d) vectors with norms up to `longest`."""
        errors, limits = self.errors(self.norms, longest), self.nearest.limits
        if len(self.queries) < _MANY or limits is None:
            return Table(self.product(vectors, squares), self.offsets, errors)
        # What takes the limits to zero is added, so that all values can be compared with about the same number.
        added = np.clip(self.offsets - limits, -FARTHEST / 4, FARTHEST / 4).astype(np.float32)
        coarse = self._product_with(added, vectors, squares)
        added = added.astype(np.float64)
        return Table(coarse, self.offsets - added, errors + rounding(self.dim + 4, SINGLE) * np.abs(added))

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
        waiting: list[Pairs] = []
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
        return as_distances(self.distance.from_space(values))

    def fits(self, longest: float) -> bool:
        """Say whether values for vectors with norms up to `longest` are far from the largest float32."""
        return longest * (longest + 2 * self.longest) < FARTHEST / 4

    def _near(self, vectors: np.ndarray, squares: np.ndarray) -> Pairs:
        """Return the pairs with (m, d) vectors that may be among the k nearest: queries, vectors and bounds."""
        # To measure so many pairs takes no longer than a product in float64, of which one part is per vector.
        enough = max(4 * self.k * len(self.queries), len(self.queries) * len(vectors) // 32, len(vectors))
        longest = longest_norm(squares.max())
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

    def _measure(self, block: Block, waiting: list[Pairs]) -> None:
        """Measure the pairs that have waited, unless they turn out not to be among the k nearest of them."""
        pairs = waiting[0] if len(waiting) == 1 else [np.concatenate(column) for column in zip(*waiting, strict=True)]
        which, columns, *bounds = pairs
        if len(which) > PAIRS:
            lowest, highest = (self.distances(bound) for bound in bounds)
            kept = np.flatnonzero(lowest <= kth_of_each(which, highest, self.k, len(self.queries))[which])
            which, columns = which[kept], columns[kept]
        values = np.empty(len(which))
        for start in range(0, len(which), PAIRS):
            some = slice(start, start + PAIRS)
            values[some] = self.measure(self.exact[which[some]], block.vectors[columns[some]].astype(np.float64))
        self.nearest.push(which, block.rows[columns], values, self.distances(values))


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
