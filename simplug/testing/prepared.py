"""A search structure as an index uses it."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplug.api import Distance, Engine


class Prepared:
    """Hands vectors to a search structure as the distance prepares them, which is what an index does."""

    def __init__(self, engine: Engine, distance: Distance) -> None:
        self.engine = engine
        self._distance = distance

    def __len__(self) -> int:
        return len(self.engine)

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Add rows with vectors as they come."""
        self.engine.add(rows, self._distance.prepare(vectors))

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Search for queries as they come."""
        return self.engine.search(self._distance.prepare(queries), k)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)
