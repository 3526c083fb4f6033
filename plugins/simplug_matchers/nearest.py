"""The match is the nearest neighbour."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Matcher


@attrs.frozen
class Nearest(Matcher):
    """Takes the label and the distance of the nearest neighbour."""

    def match(self, labels: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first column of (q, k) labels and of (q, k) distances."""
        return labels[:, 0].astype(np.int64), distances[:, 0].astype(np.float64)
