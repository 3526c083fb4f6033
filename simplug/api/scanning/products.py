"""Inner products."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from simplug.api.scanning.in_space import InSpace, Norms
from simplug.api.scanning.rounding import DOUBLE, SINGLE, SMALLEST, rounding
from simplug.api.scanning.table import Table


class Products(InSpace):
    """Measures one minus the inner product; a table holds ``-q.x``."""

    factor: ClassVar[int] = -1
    squared: ClassVar[bool] = False

    def errors(self, norms: Norms, longest: float) -> Norms:
        """Return how far values by a product in float32 may be off."""
        errors: Norms = (rounding(self.dim + 4, SINGLE) * longest) * norms + 2 * self.dim * SMALLEST
        return errors

    def double(self, vectors: np.ndarray) -> Table:
        """Return all pairs by a product in float64."""
        references = vectors.astype(np.float64)
        longest = math.sqrt(float(np.einsum("ij,ij->i", references, references).max()))
        errors = (4 * rounding(self.dim + 4, DOUBLE) * longest) * self.norms
        return Table(-self.exact @ references.T, self.offsets, errors)

    def measure(self, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return the (n,) values of n pairs."""
        values: np.ndarray = 1 - np.einsum("ij,ij->i", queries, vectors)
        return values
