"""Squared Euclidean distances by products."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from simplug.api.scanning.in_space import InSpace, Norms
from simplug.api.scanning.rounding import DOUBLE, SINGLE, SMALLEST, rounding
from simplug.api.scanning.table import Table


class Squares(InSpace):
    """Measures squared Euclidean distances; a table holds ``|x|^2 - 2 q.x``."""

    factor: ClassVar[int] = -2
    squared: ClassVar[bool] = True

    def errors(self, norms: Norms, longest: float) -> Norms:
        """Return how far values by a product in float32 may be off."""
        sums = norms + longest
        of_product = (2 * rounding(self.dim + 4, SINGLE) * longest) * sums
        # So much float64 leaves of the offsets and of what is measured.
        errors: Norms = of_product + (4 * rounding(self.dim + 4, DOUBLE)) * sums**2 + 4 * self.dim * SMALLEST
        return errors

    def double(self, vectors: np.ndarray) -> Table:
        """Return all pairs by a product in float64, seen from the mean of the vectors: there rounding costs least."""
        center = vectors.mean(axis=0, dtype=np.float64)
        queries, references = self.exact - center, vectors - center
        squares = np.einsum("ij,ij->i", references, references)
        coarse = (-2 * queries) @ references.T
        coarse += squares
        offsets = np.einsum("ij,ij->i", queries, queries)
        sums = np.sqrt(offsets) + math.sqrt(float(squares.max()))
        return Table(coarse, offsets, (4 * rounding(self.dim + 4, DOUBLE)) * sums**2)

    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) squares of n pairs."""
        differences = vectors - queries
        values: np.ndarray = np.einsum("ij,ij->i", differences, differences)
        return values
