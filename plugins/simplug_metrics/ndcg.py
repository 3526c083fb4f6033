"""The normalised discounted cumulative gain."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import RetrievalMetric, option


@attrs.frozen
class NdcgAtK(RetrievalMetric):
    r"""Relevant neighbours among the first k, discounted by rank, as a share of the best ranking's.

    .. math::
        \mathrm{nDCG@}k = \frac{\sum_{j \le k} \mathrm{rel}_j / \log_2(1 + j)}
                               {\sum_{j \le \min(R, k)} 1 / \log_2(1 + j)}

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 2002, with binary relevance
    and the discount :math:`\log_2(1 + j)` that scikit-learn's ``ndcg_score`` uses, too. The best ranking is made from
    all R relevant records of the gallery, not from the retrieved ones alone, so records that were missed count.
    """

    k: int = option(5, ge=1, doc="How many neighbours are looked at.")

    def depth(self, relevant: np.ndarray) -> int:
        """Return k."""
        return self.k

    def score(self, hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Return (q,) scores from 0 to 1."""
        considered = hits[:, : self.k]
        reachable = np.minimum(relevant, self.k)
        discounts = 1 / np.log2(np.arange(2, 2 + max(considered.shape[1], reachable.max(initial=0))))
        # Both sums run in the order of ranks, so that a perfect ranking scores 1 to the last bit.
        gains = np.cumsum(np.where(considered, discounts[: considered.shape[1]], 0.0), axis=1)[:, -1]
        scores: np.ndarray = gains / np.cumsum(discounts)[reachable - 1]
        return scores
