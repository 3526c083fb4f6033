"""How far prepared queries and vectors are apart: by the definition, or by matrix products in the distance's space."""

from __future__ import annotations

from abc import abstractmethod

import attrs
import numpy as np

from simplug.api.distance import Distance
from simplug.api.scanning.rounding import SINGLE, SMALLEST, rounding


class Measure:
    """Measures by the distance's definition.

    Args:
        distance: What to measure.
        vectors: (n, d) float32, prepared: those that queries are measured to.
    """

    def __init__(self, distance: Distance, vectors: np.ndarray) -> None:
        self._distance = distance

    def of_all(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (q, m) float64 distances of all pairs."""
        return self._distance.numpy(queries, vectors)


@attrs.frozen(eq=False)
class Coarse:
    """Values of pairs in float32, from which distances follow, not quite exact.

    Attributes:
        table: (q, n) float32 values, less their offsets; they may be written over.
        offsets: (q,) float64, what to add to a row of the table.
        errors: (q,) float64, how far a value may be from the true one.
    """

    table: np.ndarray
    offsets: np.ndarray
    errors: np.ndarray


class SpaceMeasure(Measure):
    """Measures in the space of the distance."""

    def __init__(self, distance: Distance, vectors: np.ndarray) -> None:
        super().__init__(distance, vectors)
        self._vectors = vectors
        self._dim = vectors.shape[1]
        self._longest = float(_norms(vectors).max())

    @abstractmethod
    def coarse(self, queries: np.ndarray, table: np.ndarray) -> Coarse:
        """Return the values of (q, d) queries and all n vectors, in a (q, n) float32 table that is given."""

    @abstractmethod
    def of_pairs(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the (p,) float64 distances of (p, d) queries and the vectors in these (p,) rows.

        Each pair is measured by itself, so that equal vectors have equal distances.
        """

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return what the distance makes of values in its space."""
        return self._distance.from_space(values)


class _Products(SpaceMeasure):
    """One minus the inner product; a table holds ``-q.x``."""

    def of_all(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (q, m) float64 distances of all pairs."""
        return self.distances(1 - queries.astype(np.float64) @ vectors.astype(np.float64).T)

    def of_pairs(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the (p,) float64 distances of p pairs."""
        products = np.einsum("ij,ij->i", queries.astype(np.float64), self._vectors[rows].astype(np.float64))
        return self.distances(1 - products)

    def coarse(self, queries: np.ndarray, table: np.ndarray) -> Coarse:
        """Return the values of (q, d) queries and all n vectors, in a (q, n) float32 table that is given."""
        errors = rounding(self._dim + 4, SINGLE) * self._longest * _norms(queries) + 2 * self._dim * SMALLEST
        return Coarse(np.matmul(-queries, self._vectors.T, out=table), np.ones(len(queries)), errors)


class _Squares(SpaceMeasure):
    """Squared Euclidean distances; a table holds ``|x|^2 - 2 q.x``."""

    def __init__(self, distance: Distance, vectors: np.ndarray) -> None:
        super().__init__(distance, vectors)
        self._center = vectors.mean(axis=0, dtype=np.float64)
        # As one more component, the squares cost less than to add them to all pairs.
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)[:, None]
        self._extended = np.concatenate([vectors, squares], axis=1, dtype=np.float32)

    def of_all(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (q, m) float64 distances of all pairs, seen from the mean of all: there rounding costs least."""
        queries, vectors = queries - self._center, vectors - self._center
        values = (-2 * queries) @ vectors.T
        values += np.einsum("ij,ij->i", vectors, vectors)
        values += np.einsum("ij,ij->i", queries, queries)[:, None]
        return self.distances(np.maximum(values, 0, out=values))

    def of_pairs(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the (p,) float64 distances of p pairs."""
        differences = queries.astype(np.float64) - self._vectors[rows]
        return self.distances(np.einsum("ij,ij->i", differences, differences))

    def coarse(self, queries: np.ndarray, table: np.ndarray) -> Coarse:
        """Return the values of (q, d) queries and all n vectors, in a (q, n) float32 table that is given."""
        norms = _norms(queries)
        factors = np.pad(-2 * queries, ((0, 0), (0, 1)), constant_values=1)
        errors = (
            rounding(self._dim + 5, SINGLE) * self._longest * (2 * norms + self._longest) + 4 * self._dim * SMALLEST
        )
        return Coarse(np.matmul(factors, self._extended.T, out=table), norms**2, errors)


def measure_of(distance: Distance, vectors: np.ndarray) -> Measure:
    """Return how a distance is measured to prepared vectors."""
    return {"ip": _Products, "l2": _Squares}.get(distance.space or "", Measure)(distance, vectors)


def _norms(vectors: np.ndarray) -> np.ndarray:
    norms: np.ndarray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return norms
