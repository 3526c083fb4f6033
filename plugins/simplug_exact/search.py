"""Exact search: every distance is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import attrs
import numpy as np

from simplug.api import Distance, Engine, Search, option, scan

_BLOCK_ROWS = 8192


@attrs.frozen
class Exact(Search):
    """Measures the distance to every record, in float64 by the distance's own definition; serves any distance.

    The neighbours are the true ones, and no structure has to be built. The time of a lookup grows with the number of
    records: up to some thousands it is no slower than a graph.
    """

    exact: ClassVar[bool] = True
    spaces: ClassVar[frozenset[str] | None] = None

    block_mib: int = option(64, ge=1, le=65536, doc="memory for one block of distances, in MiB")

    def create(self, dim: int, distance: Distance) -> Engine:
        """Return an empty structure for vectors of dimension `dim`."""
        return ExactEngine(dim, distance, cells=self.block_mib * (1 << 20) // np.dtype(np.float64).itemsize)


class ExactEngine(Engine):
    """Rows and vectors in arrays that grow; removed rows are skipped until they are many, then dropped."""

    def __init__(self, dim: int, distance: Distance, *, cells: int) -> None:
        self._distance = distance
        self._cells = cells
        self._rows = np.empty(0, dtype=np.int64)
        self._vectors = np.empty((0, dim), dtype=np.float32)
        self._live = np.empty(0, dtype=bool)
        self._used = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Add (n,) new rows with their (n, d) float32 vectors."""
        end = self._used + len(rows)
        if end > len(self._rows):
            self._move(np.arange(self._used), capacity=max(end, 2 * len(self._rows), 1024))
        self._rows[self._used : end] = rows
        self._vectors[self._used : end] = vectors
        self._live[self._used : end] = True
        self._used = end
        self._count += len(rows)

    def remove(self, rows: np.ndarray) -> None:
        """Take (n,) live rows away."""
        self._live[np.searchsorted(self._rows[: self._used], rows)] = False
        self._count -= len(rows)
        if self._used - self._count > max(self._count // 3, 1024):
            self._move(np.flatnonzero(self._live[: self._used]), capacity=max(self._count, 1024))

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest rows of (q, d) queries and their distances."""
        return scan(self._distance.numpy, queries, self._blocks(), k, cells=self._cells)

    def rows(self) -> np.ndarray:
        """Return the (n,) live rows, ascending."""
        return self._rows[: self._used][self._live[: self._used]]

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 vectors of live rows."""
        vectors: np.ndarray = self._vectors[np.searchsorted(self._rows[: self._used], rows)]
        return vectors

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, self._used, _BLOCK_ROWS):
            part = slice(start, min(start + _BLOCK_ROWS, self._used))
            live = self._live[part]
            if live.all():
                yield self._rows[part], self._vectors[part]
            elif live.any():
                yield self._rows[part][live], self._vectors[part][live]

    def _move(self, kept: np.ndarray, capacity: int) -> None:
        """Copy the kept positions into arrays with room for `capacity` rows."""
        rows = np.empty(capacity, dtype=np.int64)
        vectors = np.empty((capacity, self._vectors.shape[1]), dtype=np.float32)
        live = np.zeros(capacity, dtype=bool)
        count = len(kept)
        rows[:count], vectors[:count], live[:count] = self._rows[kept], self._vectors[kept], self._live[kept]
        self._rows, self._vectors, self._live, self._used = rows, vectors, live, count
