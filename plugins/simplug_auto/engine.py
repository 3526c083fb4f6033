"""Two search structures, of which one is in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simplug.api import Distance, Engine

if TYPE_CHECKING:
    from simplug_auto.search import Auto

_MANY = "many"


class AutoEngine(Engine):
    """Rows are in the structure for few of them until they are too many, and then in the one for many."""

    def __init__(self, recipe: Auto, dim: int, distance: Distance, used: Engine | None = None) -> None:
        self._recipe = recipe
        self._dim = dim
        self._distance = distance
        self._is_few = used is None
        self._used = recipe.few.create(dim, distance) if used is None else used

    def __len__(self) -> int:
        return len(self._used)

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Add (n,) new rows with their (n, d) prepared vectors; the structure changes before they become too many."""
        if self._is_few and self._can_change() and len(self) + len(rows) > self._recipe.limit:
            many = self._recipe.many.create(self._dim, self._distance)
            present = self._used.rows()
            if len(present):
                many.add(present, self._used.vectors(present))
            self._used, self._is_few = many, False
        self._used.add(rows, vectors)

    def remove(self, rows: np.ndarray) -> None:
        """Take (n,) live rows away."""
        self._used.remove(rows)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest rows of (q, d) prepared queries and their distances."""
        return self._used.search(queries, k)

    def rows(self) -> np.ndarray:
        """Return the (n,) live rows, ascending."""
        return self._used.rows()

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 vectors of live rows as the structure in use has them."""
        return self._used.vectors(rows)

    @property
    def removed(self) -> int:
        """How many removed rows still take space."""
        return self._used.removed

    def tune(self, effort: int) -> None:
        """Set the effort of the search of many records; few are searched exactly in any case."""
        if not self._is_few:
            self._used.tune(effort)

    def save(self, folder: Path) -> None:
        """Write the structure of many rows; few are added again faster than they are read."""
        if not self._is_few and self._recipe.many.persistent:
            (folder / _MANY).mkdir()
            self._used.save(folder / _MANY)

    def _can_change(self) -> bool:
        spaces = self._recipe.many.spaces
        return spaces is None or self._distance.space in spaces


def load_engine(recipe: Auto, folder: Path, dim: int, distance: Distance) -> AutoEngine:
    """Read what :meth:`AutoEngine.save` wrote; a structure of few rows is empty again.

    Raises:
        ArtifactError: The parts do not fit together, or were made with other settings.
    """
    place = folder / _MANY
    return AutoEngine(recipe, dim, distance, recipe.many.load(place, dim, distance) if place.is_dir() else None)
