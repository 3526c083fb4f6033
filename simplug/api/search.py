"""The contract of searches: vectors and int64 rows in, the k nearest out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np

from simplug.api.distance import Distance
from simplug.kernel.component import Component


class Engine(ABC):
    """A search structure over rows of vectors.

    Rows are int64 numbers given by the index: ascending, each higher than all before it. The index has checked every
    argument before it arrives here: shapes, dtypes, finite values, known rows, ``k >= 1``. Several threads may search
    at once; the index lets nobody search while the structure changes.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return how many rows are live."""

    @abstractmethod
    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Add (n,) new rows with their (n, d) float32 vectors."""

    @abstractmethod
    def remove(self, rows: np.ndarray) -> None:
        """Take (n,) live rows away; a later search never returns them."""

    @abstractmethod
    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest rows of (q, d) float32 queries.

        Returns:
            (q, k) int64 rows, nearest first, equal distances in the order of rows, and their (q, k) float32 distances
            by the distance's own definition. ``min(k, len(self))`` places are filled; the others have row -1 and
            distance inf.
        """

    @abstractmethod
    def rows(self) -> np.ndarray:
        """Return the (n,) live rows, ascending."""

    @abstractmethod
    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 vectors of live rows as the structure has them.

        They are prepared by :meth:`simplug.api.Distance.prepare`, and rounded where the search is
        :attr:`~Search.coarse`.
        """

    @property
    def removed(self) -> int:
        """How many removed rows still take space here, which building the structure anew would give back."""
        return 0

    def tune(self, effort: int) -> None:
        """Set the option that is the :attr:`~Search.effort` of the search."""
        raise TypeError(f"{type(self).__name__} has no option to tune")

    def save(self, folder: Path) -> None:
        """Write the structure into an empty folder; only asked of a search with the flag `persistent`.

        Raises:
            ArtifactError: It could not be written whole.
        """
        raise TypeError(f"{type(self).__name__} is not persistent")


class Search(Component, ABC):
    """A way to find neighbours.

    Attributes:
        exact: Whether the neighbours are the true ones.
        persistent: Whether the structure can be saved and loaded; otherwise it is rebuilt from the store.
        spaces: The spaces of :attr:`simplug.api.Distance.space` that it serves; None means any distance at all.
        effort: The name of the integer option that trades time for recall and may change at any time, as ``ef`` of
            ``hnsw``; None if there is none.
    """

    kind: ClassVar[str] = "search"
    exact: ClassVar[bool] = False
    persistent: ClassVar[bool] = False
    spaces: ClassVar[frozenset[str] | None] = frozenset({"l2", "ip"})
    effort: ClassVar[str | None] = None

    @property
    def coarse(self) -> int:
        """How many times k rows the index asks for, to measure their distances again with the stored embeddings.

        0 says that the distances of the structure are those of the definition already; a search that keeps rounded
        vectors says how many it takes to have the true neighbours among them.
        """
        return 0

    @abstractmethod
    def create(self, dim: int, distance: Distance) -> Engine:
        """Return an empty structure for vectors of dimension `dim`."""

    def load(self, folder: Path, dim: int, distance: Distance) -> Engine:
        """Return the structure that :meth:`Engine.save` wrote; its files are byte for byte what was written.

        Raises:
            ArtifactError: The files do not fit `dim`, `distance` and the settings of this search.
        """
        raise TypeError(f"{type(self).__name__} is not persistent")


class Nearest:
    """Keeps the k nearest rows of some queries while distances arrive block by block.

    Distances are compared as they are returned, in float32; equal ones stay in the order of rows.
    """

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._rows = np.empty((queries, 0), dtype=np.int64)
        self._distances = np.empty((queries, 0), dtype=np.float32)

    def push(self, rows: np.ndarray, distances: np.ndarray) -> None:
        """Take in the (q, m) distances of (m,) rows, which are ascending and higher than all pushed before."""
        # A distance beyond float32 is the farthest there is; as inf it would read as an unfilled place.
        values = np.minimum(distances, np.finfo(np.float32).max).astype(np.float32)
        kept = self._distances.shape[1]
        values = np.concatenate([self._distances, values], axis=1)
        keys = _ordered_keys(values)
        if keys.shape[1] > self._k:
            keys = np.partition(keys, self._k - 1, axis=1)[:, : self._k]
        keys.sort(axis=1)
        columns = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
        self._distances = np.take_along_axis(values, columns, axis=1)
        if kept:
            among_all = np.concatenate([self._rows, np.broadcast_to(rows, (len(values), len(rows)))], axis=1)
            self._rows = np.take_along_axis(among_all, columns, axis=1)
        else:
            self._rows = rows[columns]

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (q, k) rows and float32 distances as :meth:`Engine.search` does."""
        missing = ((0, 0), (0, self._k - self._rows.shape[1]))
        rows = np.pad(self._rows, missing, constant_values=-1)
        return rows, np.pad(self._distances, missing, constant_values=np.inf)


def _ordered_keys(distances: np.ndarray) -> np.ndarray:
    """Return uint64 keys that sort as (distance, column): the sortable bits of a float32 above the column's number."""
    bits = (distances + np.float32(0)).view(np.uint32)  # adding 0 turns -0.0 into 0.0, which is the same distance
    flip = np.where(bits >> 31, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    return ((bits ^ flip).astype(np.uint64) << np.uint64(32)) | np.arange(distances.shape[1], dtype=np.uint64)


def scan(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    queries: np.ndarray,
    blocks: Iterable[tuple[np.ndarray, np.ndarray]],
    k: int,
    *,
    cells: int = 1 << 22,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the exact neighbours by measuring everything, in bounded memory.

    Args:
        measure: (q, d) queries and (m, d) vectors to (q, m) distances.
        queries: (q, d) float32.
        blocks: Rows (m,) and their (m, d) vectors, block after block in ascending order of rows.
        k: How many neighbours to find.
        cells: How many distances may be in memory at once, if a block of vectors is not larger.

    Returns:
        What :meth:`Engine.search` returns.
    """
    nearest: list[tuple[slice, Nearest]] = []
    for rows, vectors in blocks:
        if not nearest:
            step = max(1, cells // max(1, len(rows)))
            parts = [slice(start, min(start + step, len(queries))) for start in range(0, len(queries), step)]
            nearest = [(part, Nearest(part.stop - part.start, k)) for part in parts]
        for part, found in nearest:
            found.push(rows, measure(queries[part], vectors))
    if not nearest:
        return Nearest(len(queries), k).result()
    results = [found.result() for _, found in nearest]
    return np.concatenate([rows for rows, _ in results]), np.concatenate([distances for _, distances in results])
