"""Metrics of the rank of the first relevant neighbour: recall at k and the mean reciprocal rank."""

from __future__ import annotations

import sys

import attrs
import numpy as np

from simplug.api import RetrievalMetric, option


@attrs.frozen
class RecallAtK(RetrievalMetric):
    r"""Whether any of the first k neighbours is relevant; 1 or 0.

    .. math:: \mathrm{recall@}k = \max_{j \le k} \mathrm{rel}_j

    This is the R@k of the metric learning literature: Song et al., "Deep Metric Learning via Lifted Structured Feature
    Embedding", CVPR 2016, arXiv:1511.06452. It is a hit rate, not the share of the relevant records that were found,
    which information retrieval calls recall.
    """

    k: int = option(1, ge=1, doc="How many neighbours are looked at.")

    def depth(self, relevant: np.ndarray) -> int:
        """Return k."""
        return self.k

    def score(self, hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Return (q,) scores, 0.0 or 1.0; places beyond the end of a small gallery count as misses."""
        found: np.ndarray = np.any(hits[:, : self.k], axis=1)
        return found.astype(np.float64)


@attrs.frozen
class MeanReciprocalRank(RetrievalMetric):
    r"""One over the rank of the first relevant neighbour; 0 where none is found within the first k.

    .. math:: \mathrm{RR} = 1 / \min \{ j \le k : \mathrm{rel}_j = 1 \}

    Voorhees, "The TREC-8 Question Answering Track Report", TREC 1999. The rank is sought within the first 100
    neighbours unless `k` says otherwise: the value is then less than 0.01 below that of the whole gallery, while the
    whole gallery would have to be ranked for every query and is more than a graph search can do. ``k = "none"`` ranks
    it all, as PyTorch Metric Learning does by default.
    """

    k: int | None = option(100, ge=1, doc="How many neighbours are looked at; none means the whole gallery.")

    def depth(self, relevant: np.ndarray) -> int:
        """Return k, or more than any gallery holds."""
        return sys.maxsize if self.k is None else self.k

    def score(self, hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Return (q,) scores from 0 to 1."""
        considered = hits[:, : self.k]
        found = considered.any(axis=1)
        return np.where(found, 1.0 / (considered.argmax(axis=1) + 1), 0.0)
