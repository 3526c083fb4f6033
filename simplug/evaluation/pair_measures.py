"""How values of pairs are found: fast in float32, or by the distance's own definition.

What is counted needs no bound on its rounding, and references may come block after block; where neighbours are ranked,
:mod:`simplug.evaluation.measures` has both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from simplug.api.distance import Distance

_SEEN = 1024
"""Of about so many embeddings the middle is found."""

_NOISE = 2.0**-44
"""One minus a product of float64 vectors is uncertain by less than this where it ought to be 0."""


class PairMeasure(ABC):
    """How values of pairs are found.

    Args:
        distance: What to measure.
        queries: (n, d) float32 embeddings that all others are measured from.
    """

    def __init__(self, distance: Distance, queries: np.ndarray) -> None:
        self.distance = distance

    @abstractmethod
    def query_factors(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (n, d) queries as :meth:`values` takes them."""

    @abstractmethod
    def factors(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (m, d) references as :meth:`values` takes them."""

    @abstractmethod
    def values(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float32 values of all pairs, in a new array."""

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the distances that belong to values, of which they are a function that never falls."""
        return self.distance.from_space(values)


class _Defined(PairMeasure):
    """By the definition of the distance in float64, rounded to float32 as an index returns distances."""

    def query_factors(self, embeddings: np.ndarray) -> np.ndarray:
        return embeddings

    def factors(self, embeddings: np.ndarray) -> np.ndarray:
        return embeddings

    def values(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        distances: np.ndarray = self.distance.numpy(queries, references)
        if self.distance.space == "ip":
            # Equal vectors are equally far, whatever float64 leaves of 1 - 1.
            distances = np.where(np.abs(distances) < _NOISE, 0.0, distances)
        with np.errstate(over="ignore"):
            return distances.astype(np.float32)

    def distances(self, values: np.ndarray) -> np.ndarray:
        return values


class _Products(PairMeasure):
    """One minus the inner product, by a matrix product in float32."""

    def query_factors(self, embeddings: np.ndarray) -> np.ndarray:
        return -self.distance.prepare(embeddings)

    def factors(self, embeddings: np.ndarray) -> np.ndarray:
        return self.distance.prepare(embeddings)

    def values(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        values: np.ndarray = queries @ references.T
        values += 1
        return values


class _Squares(PairMeasure):
    """The squared Euclidean distance as seen from the middle, by a matrix product in float32: most exact there."""

    def __init__(self, distance: Distance, queries: np.ndarray) -> None:
        super().__init__(distance, queries)
        # A single embedding far away would draw a mean away from all others.
        some = queries[:: -(-len(queries) // _SEEN)]
        self.center = np.median(distance.prepare(some).astype(np.float64), axis=0)

    def query_factors(self, embeddings: np.ndarray) -> np.ndarray:
        seen = self._seen(embeddings)
        return self._joined(-2 * seen, _squares(seen), np.ones(len(seen)))

    def factors(self, embeddings: np.ndarray) -> np.ndarray:
        seen = self._seen(embeddings)
        return self._joined(seen, np.ones(len(seen)), _squares(seen))

    def values(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        # The squares of the norms ride along as two more components.
        values: np.ndarray = queries @ references.T
        np.maximum(values, 0, out=values)
        return values

    def _seen(self, embeddings: np.ndarray) -> np.ndarray:
        seen: np.ndarray = self.distance.prepare(embeddings) - self.center
        return seen.astype(np.float32)

    def _joined(self, vectors: np.ndarray, *columns: np.ndarray) -> np.ndarray:
        return np.concatenate([vectors, *(column[:, None] for column in columns)], axis=1, dtype=np.float32)


def measure_of(distance: Distance, queries: np.ndarray, *, exact: bool) -> PairMeasure:
    """Return how a distance is measured from some queries: by its definition if wanted, else as fast as can be."""
    fast = {"ip": _Products, "l2": _Squares}.get(distance.space or "", _Defined)
    return (_Defined if exact else fast)(distance, queries)


def _squares(vectors: np.ndarray) -> np.ndarray:
    squares: np.ndarray = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return squares
