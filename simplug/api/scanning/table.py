"""Tables of values that are not quite exact, and which of them may be small."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api.scanning.rounding import DOUBLE, FARTHEST, SINGLE

_COMPARED = 1 << 18
"""How many pairs are compared together: they stay in a processor's cache."""


@attrs.frozen(eq=False)
class Table:
    """Values of pairs, from which distances follow, not quite exact.

    Attributes:
        coarse: (q, m) values, less their offsets.
        offsets: (q,) float64, what to add to a row of `coarse`.
        errors: (q,) float64, how far a value may be from what is measured.
    """

    coarse: np.ndarray
    offsets: np.ndarray
    errors: np.ndarray

    def values_at_most(self, k: int, among: int) -> np.ndarray:
        """Return (q,) float64 values that the k smallest of each query, among so many at the start, do not exceed."""
        values: np.ndarray = np.partition(self.coarse[:, :among], k - 1)[:, k - 1] + (self.errors + self.offsets)
        return values

    def at_most(self, limits: np.ndarray) -> np.ndarray:
        """Return the positions in the flattened table of values that may be at most these (q,) limits."""
        limits = limits + (self.errors - self.offsets)
        if self.coarse.dtype == np.float32:
            limits = np.clip(limits + np.abs(limits) * (2 * SINGLE), -FARTHEST, FARTHEST).astype(np.float32)
        else:
            limits = limits + np.abs(limits) * (2 * DOUBLE)
        highest = limits.max()
        if float(highest) - float(limits.min()) <= self.errors.max():
            # To compare all with one number takes a third of the time, and lets little more pass.
            return np.flatnonzero(self.coarse <= highest)
        count = self.coarse.shape[1]
        step = max(1, _COMPARED // count)
        parts = [slice(start, start + step) for start in range(0, len(limits), step)]
        found = [np.flatnonzero(self.coarse[part] <= limits[part, None]) + part.start * count for part in parts]
        return np.concatenate(found)

    def bounds(self, which: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the values of (n,) pairs are not below and not above."""
        values = self.coarse[which, columns] + self.offsets[which]
        errors = self.errors[which] + np.abs(values) * (4 * DOUBLE)
        return values - errors, values + errors
