"""The scan for one query alone, in fewer steps."""

from __future__ import annotations

import numpy as np

from simplug.api.scanning.block import Block
from simplug.api.scanning.in_space import CELLS, PAIRS, InSpace
from simplug.api.scanning.rounding import FARTHEST, SINGLE, longest_norm


class ForOne:
    """The only query, and what was found for it so far.

    Each step takes as long as the products of hundreds of vectors, so there are few.

    Attributes:
        part: What does the same for any number of queries.
    """

    def __init__(self, part: InSpace) -> None:
        self.part = part
        self._norm, self._offset = part.longest, float(part.offsets[0])
        self._limit: float | None = None
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._room = PAIRS

    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""
        squares = block.squares_of_all()
        longest = longest_norm(squares.max() if block.largest is None else block.largest)
        if not self.part.k < len(squares) <= CELLS or not self.part.fits(longest):
            self._measure()
            self.part.push(block)
            self._take_limit()
            return
        error = self.part.errors(self._norm, longest)
        coarse = self.part.product(block.vectors, squares)[0]
        if self._limit is None:
            self._limit = self._first_limit(coarse, error)
        limit = self._limit + (error - self._offset)
        limit = max(-FARTHEST, min(limit + abs(limit) * (2 * SINGLE), FARTHEST))
        columns = np.flatnonzero(coarse <= np.float32(limit))
        for start in range(0, len(columns), PAIRS):
            some = columns[start : start + PAIRS]
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
            self._waiting, self._room = [], PAIRS
            self._take_limit()

    def _take_limit(self) -> None:
        limits = self.part.nearest.limits
        if limits is not None:
            self._limit = float(limits[0])
