"""Metrics of the share of relevant neighbours: precision at k and R-precision."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import RetrievalMetric, option


@attrs.frozen
class PrecisionAtK(RetrievalMetric):
    r"""The share of the first k neighbours that are relevant.

    .. math:: \mathrm{precision@}k = \frac{1}{k} \sum_{j \le k} \mathrm{rel}_j

    Manning, Raghavan and Schütze, "Introduction to Information Retrieval", 2008, section 8.4. The denominator is k even
    where the gallery holds fewer relevant records, or fewer records at all: a perfect ranking then scores below 1.
    """

    k: int = option(1, ge=1, doc="How many neighbours are looked at.")

    def depth(self, relevant: np.ndarray) -> int:
        """Return k."""
        return self.k

    def score(self, hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Return (q,) scores from 0 to 1."""
        scores: np.ndarray = np.count_nonzero(hits[:, : self.k], axis=1) / self.k
        return scores


@attrs.frozen
class RPrecision(RetrievalMetric):
    r"""The share of the first R neighbours that are relevant, where R is the number of relevant records.

    .. math:: \text{R-precision} = \frac{1}{R} \sum_{j \le R} \mathrm{rel}_j

    Manning, Raghavan and Schütze, "Introduction to Information Retrieval", 2008, section 8.4. A perfect ranking has 1
    whatever the size of its class.
    """

    def depth(self, relevant: np.ndarray) -> int:
        """Return the largest R."""
        return int(relevant.max())

    def score(self, hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Return (q,) scores from 0 to 1."""
        within = np.arange(hits.shape[1]) < relevant[:, np.newaxis]
        scores: np.ndarray = np.count_nonzero(hits & within, axis=1) / relevant
        return scores
