"""The contract of matchers: neighbours to a predicted label and its distance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from simplug.kernel.component import Component


class Matcher(Component, ABC):
    """Turns the k nearest neighbours of a query into one label and the distance that stands for it.

    The index compares that distance with a cut point: beyond it, the query is unknown. The neighbours are records of
    the index, unless the matcher condenses it.
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

    def condense(self, labels: np.ndarray, embeddings: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
        """Return a smaller gallery whose entries are the neighbours, such as one mean a class; None for the records.

        The index asks again when its records have changed, keeps the answer in memory, and measures all of it.

        Args:
            labels: (n,) int64 labels of the records that have one; n is at least 1.
            embeddings: Their embeddings as :meth:`simplug.api.Distance.prepare` makes them, in the same order, in
                blocks of shape (b, d), float32; they are read once, and only if they are asked for.

        Returns:
            (m,) int64 labels, each one of `labels`, and (m, d) float32 embeddings; m is at least 1. Here, None.
        """
        return None
