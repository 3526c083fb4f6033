"""What the distances with an option `normalize` share."""

from __future__ import annotations

from abc import abstractmethod

import attrs
import numpy as np

from simplug.api import Distance, option
from simplug.api.numerics import (
    Tensor,
    as_float,
    plain_query,
    unit_query,
    unit_rows,
    unit_rows_float32,
    unit_rows_numpy,
)


@attrs.frozen
class NormalizingDistance(Distance):
    """A distance that can divide its vectors by their norms first; a subclass says what follows."""

    normalize: bool = option(False, doc="divide each vector by its Euclidean norm first")

    @abstractmethod
    def between(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances of vectors used as they are, in Keras ops.

        `references` is the very tensor `queries` when the vectors are compared with themselves.
        """

    @abstractmethod
    def between_numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) distances of float64 vectors used as they are."""

    def __call__(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances of (n, d) and (m, d)."""
        own = references is queries
        queries = self._as_compared(queries)
        return self.between(queries, queries if own else self._as_compared(references))

    def numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances of (n, d) and (m, d)."""
        return self.between_numpy(self._as_used(queries), self._as_used(references))

    def prepare(self, vectors: np.ndarray) -> np.ndarray:
        """Return the vectors, divided by their norms if `normalize` says so."""
        return unit_rows_float32(vectors) if self.normalize else vectors

    def prepare_query(self, query: np.ndarray) -> np.ndarray | None:
        """Return the (d,) query, divided by its norm if `normalize` says so; None if it is not plainly valid."""
        return unit_query(query) if self.normalize else plain_query(query)

    def invalid_rows(self, vectors: np.ndarray) -> tuple[np.ndarray, str]:
        """Zero vectors cannot be normalised."""
        if self.normalize:
            return ~np.any(vectors, axis=1), "is zero, which cannot be normalised"
        return super().invalid_rows(vectors)

    def _as_compared(self, vectors: Tensor) -> Tensor:
        vectors = as_float(vectors)
        return unit_rows(vectors) if self.normalize else vectors

    def _as_used(self, vectors: np.ndarray) -> np.ndarray:
        return unit_rows_numpy(vectors) if self.normalize else np.asarray(vectors, dtype=np.float64)
