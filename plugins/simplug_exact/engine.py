"""Prepared vectors in blocks, in full or rounded, and exact search among them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simplug.api import Distance, Engine, scan
from simplug_exact.vectors import Rounding, Vectors

_BLOCK_NUMBERS = 1 << 23
"""How many components the vectors of a full block have: to close the gap of a removed row moves no more than that."""


class ExactEngine(Engine):
    """Rows and prepared vectors in blocks of limited size; what is removed is gone at once."""

    def __init__(self, dim: int, distance: Distance, rounding: Rounding, *, cells: int) -> None:
        self._dim = dim
        self._distance = distance
        self._rounding = rounding
        self._cells = cells
        self._capacity = max(256, _BLOCK_NUMBERS // dim)
        self._blocks: list[Vectors] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Add (n,) new rows with their (n, d) float32 vectors, prepared."""
        start = 0
        while start < len(rows):
            if not self._blocks or len(self._blocks[-1]) == self._capacity:
                self._blocks.append(Vectors(self._dim, self._rounding))
            end = start + self._capacity - len(self._blocks[-1])
            self._blocks[-1].append(rows[start:end], vectors[start:end], self._capacity)
            start = end
        self._count += len(rows)

    def remove(self, rows: np.ndarray) -> None:
        """Take (n,) live rows away."""
        self._count -= len(rows)
        for number, positions in self._positions(rows):
            kept = np.ones(len(self._blocks[number]), dtype=bool)
            kept[positions] = False
            self._blocks[number].keep(kept)
        # Blocks that became small join their neighbours, so that there are never many of them.
        joined: list[Vectors] = []
        for block in self._blocks:
            if joined and len(joined[-1]) + len(block) <= self._capacity // 2:
                joined[-1].join(block, self._capacity)
            elif len(block):
                joined.append(block)
        self._blocks = joined

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest rows of (q, d) prepared queries and their distances."""
        blocks = (block.scanned() for block in self._blocks)
        return scan(self._distance, queries, blocks, k, cells=self._cells)

    def rows(self) -> np.ndarray:
        """Return the (n,) live rows, ascending."""
        return np.concatenate([np.empty(0, dtype=np.int64), *(block.rows for block in self._blocks)])

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 vectors of live rows, prepared and as they were rounded."""
        vectors = np.empty((len(rows), self._dim), dtype=np.float32)
        which = self._numbers(rows)
        for number, positions in self._positions(rows):
            vectors[which == number] = self._blocks[number].at(positions)
        return vectors

    def _numbers(self, rows: np.ndarray) -> np.ndarray:
        """Return in which block each of (n,) live rows is."""
        lasts = np.array([block.rows[-1] for block in self._blocks], dtype=np.int64)
        return np.searchsorted(lasts, rows)

    def _positions(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the numbers of the blocks that have some of (n,) live rows, and where in them, in the order of rows."""
        which = self._numbers(rows)
        for number in np.unique(which).tolist():
            yield number, np.searchsorted(self._blocks[number].rows, rows[which == number])
