"""Some of the queries, and how the limits of what may still be near are found for them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from simplug.api.distance import Distance
from simplug.api.scanning.block import Block
from simplug.api.scanning.nearest import Nearest
from simplug.api.scanning.scratch import Scratch
from simplug.api.scanning.table import Table

_SOME = 1024
"""Among how many vectors, or an eighth of all if these are more, the first neighbours are looked for."""


class Part(ABC):
    """Some of the queries, and what was found for them so far."""

    def __init__(self, distance: Distance, queries: np.ndarray, k: int, scratch: Scratch) -> None:
        self.distance = distance
        self.queries = queries
        self.k = k
        self.scratch = scratch
        self.nearest = Nearest(len(queries), k)

    @abstractmethod
    def push(self, block: Block) -> None:
        """Look at the vectors of one more block."""

    @abstractmethod
    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the (n,) float32 distances that belong to (n,) float64 values."""

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what was found, as :meth:`simplug.api.Engine.search` does."""
        return self.nearest.result()

    def near(self, table: Table, enough: int) -> np.ndarray:
        """Return which pairs may be among the k nearest, as ascending positions in the flattened table.

        Args:
            table: The values of all pairs.
            enough: How many pairs may come of the limits so far, before closer ones are taken from the table itself.
        """
        limits, found = self.nearest.limits, None
        if limits is not None:
            found = table.at_most(limits)
            if len(found) <= enough:
                return found
        count = table.coarse.shape[1]
        if count <= self.k:
            return np.arange(table.coarse.size) if found is None else found
        some = self.some(count) if limits is None else count
        own = self.beyond_ties(table.values_at_most(self.k, some))
        self.nearest.limits = own if limits is None else np.minimum(limits, own)
        return table.at_most(self.nearest.limits)

    def some(self, count: int) -> int:
        """Return how many of so many vectors have neighbours that leave few enough of all."""
        some = max(_SOME, count // 8)
        return some if 8 * self.k < some < count else count

    def beyond_ties(self, values: np.ndarray) -> np.ndarray:
        """Return (q,) larger values, as large as it takes for a larger distance in float32."""
        steps = np.abs(values) * 2.0**-22 + 2.0**-140
        wider = values + steps
        distances, wide = self.distances(np.concatenate([values, wider])).reshape(2, -1)
        tied = wide == distances
        with np.errstate(over="ignore"):
            while tied.any():
                steps = np.where(tied, 16 * steps, steps)
                wider = values + steps
                tied = (self.distances(wider) == distances) & (wider < np.inf)
        return np.asarray(wider)
