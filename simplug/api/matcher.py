"""The contract of matchers: neighbours to a predicted label and its distance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from simplug.kernel.component import Component


class Matcher(Component, ABC):
    """Turns the k nearest records of a query into one label and the distance that stands for it.

    The index compares that distance with a cut point: beyond it, the query is unknown.
    """

    kind: ClassVar[str] = "matcher"

    @abstractmethod
    def match(self, labels: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a label and a distance for each query.

        Args:
            labels: (q, k) int64 labels of the neighbours, nearest first.
            distances: (q, k) their distances; inf marks a place that no neighbour fills.

        Returns:
            (q,) int64 labels and (q,) float64 distances; a query without a neighbour has distance inf, and its label
            means nothing.
        """
