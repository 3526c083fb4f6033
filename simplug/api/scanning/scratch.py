"""Memory for products."""

from __future__ import annotations

import math

import numpy as np


class Scratch:
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
