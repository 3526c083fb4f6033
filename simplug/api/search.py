"""The contract of searches: vectors and int64 rows in, the k nearest out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np

from simplug.api.distance import Distance
from simplug.kernel.component import Component


class Engine(ABC):
    """A search structure over rows of vectors.

    Rows are int64 numbers given by the index: ascending, each higher than all before it. The index has checked every
    argument before it arrives here: shapes, dtypes, finite values, known rows, ``k >= 1``. Vectors and queries arrive
    as :meth:`simplug.api.Distance.prepare` makes them. Several threads may search
    at once; the index lets nobody search while the structure changes.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return how many rows are live."""

    @abstractmethod
    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Add (n,) new rows with their (n, d) float32 vectors, prepared."""

    @abstractmethod
    def remove(self, rows: np.ndarray) -> None:
        """Take (n,) live rows away; a later search never returns them."""

    @abstractmethod
    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest rows of (q, d) float32 queries, prepared.

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

        They are those that were added, rounded where the search is :attr:`~Search.coarse`.
        """

    @property
    def removed(self) -> int:
        """How many removed rows still take space here, which building the structure anew would give back."""
        return 0

    def tune(self, effort: int) -> None:
        """Set the :attr:`~Search.effort` of the search, which has one."""
        raise TypeError(f"{type(self).__name__} has no effort to set")

    def save(self, folder: Path) -> None:
        """Write the structure into an empty folder; only asked of a search with the flag `persistent`.

        Rows that are faster added again than read may be left out: the index adds what a loaded structure lacks.

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
    """

    kind: ClassVar[str] = "search"
    exact: ClassVar[bool] = False
    persistent: ClassVar[bool] = False
    spaces: ClassVar[frozenset[str] | None] = frozenset({"l2", "ip"})

    @property
    def effort(self) -> int | None:
        """The setting that trades time for recall and may change at any time, as `ef` of ``hnsw``; None without one."""
        return None

    def with_effort(self, effort: int) -> Search:
        """Return this search with another :attr:`effort`."""
        raise TypeError(f"{type(self).__name__} has no effort to set")

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
