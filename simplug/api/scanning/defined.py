"""Distances without a space: measured by their definition."""

from __future__ import annotations

import numpy as np

from simplug.api.scanning.block import Block
from simplug.api.scanning.part import Part
from simplug.api.scanning.rounding import as_distances
from simplug.api.scanning.table import Table


class Defined(Part):
    """Measures by the distance's definition."""

    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""
        values = self.distance.numpy(self.queries, block.vectors)
        zeros = np.zeros(len(values))
        pairs = self.near(Table(values, zeros, zeros), 4 * self.k * len(values))
        which, columns = np.divmod(pairs, values.shape[1])
        values = values[which, columns]
        self.nearest.push(which, block.rows[columns], values, self.distances(values))

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the values themselves in float32."""
        return as_distances(values)
