"""Mean average precision, at k and at R."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import RetrievalMetric, option


@attrs.frozen
class MapAtK(RetrievalMetric):
    r"""The precision at the rank of each relevant neighbour among the first k, averaged.

    .. math:: \mathrm{AP@}k = \frac{1}{\min(R, k)} \sum_{j \le k} \mathrm{rel}_j \, P@j

    R is the number of relevant records and :math:`P@j` the share of relevant ones among the first j. This is the mAP@k
    of Weyand et al., "Google Landmarks Dataset v2", CVPR 2020, arXiv:2004.01804: a perfect ranking has 1 for every k.

    With ``denominator = "relevant"`` the sum is divided by R, as ``mean_average_precision`` of PyTorch Metric Learning,
    ``MapAtK`` of TensorFlow Similarity and ``map_cut`` of trec_eval do: what k is too short to reach then counts as
    missed. The two agree for every query with R at most k.
    """

    k: int = option(5, ge=1, doc="How many neighbours are looked at.")
    denominator: str = option(
        "reachable",
        choices=("reachable", "relevant"),
        doc="What the sum is divided by: min(R, k), or all R relevant records.",
    )

    def depth(self, relevant: np.ndarray) -> int:
        """Return k."""
        return self.k

    def score(self, hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Return (q,) scores from 0 to 1."""
        most = np.minimum(relevant, self.k) if self.denominator == "reachable" else relevant
        scores: np.ndarray = _sum_of_precisions(hits[:, : self.k]) / most
        return scores


@attrs.frozen
class MapAtR(RetrievalMetric):
    r"""The precision at the rank of each relevant neighbour among the first R, divided by R.

    .. math:: \mathrm{MAP@R} = \frac{1}{R} \sum_{j \le R} \mathrm{rel}_j \, P@j

    R is the number of relevant records and :math:`P@j` the share of relevant ones among the first j. Musgrave, Belongie
    and Lim, "A Metric Learning Reality Check", ECCV 2020, arXiv:2003.08505.
    """

    def depth(self, relevant: np.ndarray) -> int:
        """Return the largest R."""
        return int(relevant.max())

    def score(self, hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Return (q,) scores from 0 to 1."""
        considered = hits[:, : relevant.max(initial=0)]
        within = np.arange(considered.shape[1]) < relevant[:, np.newaxis]
        scores: np.ndarray = _sum_of_precisions(considered & within) / relevant
        return scores


def _sum_of_precisions(hits: np.ndarray) -> np.ndarray:
    """Return (q,) sums of the precision at each hit of (q, n)."""
    ranks = np.arange(1, hits.shape[1] + 1)
    # Half the width halves the time, and no ranking is longer than 2**31.
    precisions = np.cumsum(hits, axis=1, dtype=np.int32) / ranks
    precisions *= hits
    sums: np.ndarray = precisions.sum(axis=1)
    return sums
