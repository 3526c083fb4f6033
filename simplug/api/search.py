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

    Rows are int64 numbers given by the index, never given twice. The index has checked every argument before it
    arrives here: shapes, dtypes, finite values, known rows.
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
            (q, k) int64 rows, nearest first, and their (q, k) float32 distances by the distance's own definition;
            places that cannot be filled have row -1 and distance inf.
        """

    def save(self, folder: Path) -> None:
        """Write the structure into an empty folder; only asked of a search with the flag `persistent`."""


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

    @abstractmethod
    def create(self, dim: int, distance: Distance) -> Engine:
        """Return an empty structure for vectors of dimension `dim`."""

    def load(self, folder: Path, dim: int, distance: Distance) -> Engine:
        """Return the structure that :meth:`Engine.save` wrote; its files have been checked.

        Raises:
            ArtifactError: The files do not fit `dim` and `distance`.
        """
        raise TypeError(f"{type(self).__name__} is not persistent")
