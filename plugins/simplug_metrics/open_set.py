"""Scores of telling known queries from unknown ones by the distance of their match.

A query is called unknown when its match is farther than the threshold; a query without a match is called unknown at
every threshold. Queries of equal distance are treated alike, so no metric depends on their order.
"""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import OpenSetMetric, option


@attrs.frozen
class UnknownAuroc(OpenSetMetric):
    r"""How often the match of an unknown query is farther than that of a known one; from 0 to 1, chance has 0.5.

    .. math:: \mathrm{AUROC} = P(d_u > d_k) + \tfrac{1}{2} P(d_u = d_k)

    Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks",
    ICLR 2017, arXiv:1610.02136. Equal distances count half. Whether the match of a known query is right does not count.
    """

    def score(self, distances: np.ndarray, known: np.ndarray, right: np.ndarray) -> float:
        """Return the area under the ROC curve of calling queries unknown."""
        near, far = np.sort(distances[known]), distances[~known]
        below = np.searchsorted(near, far, side="left") + np.searchsorted(near, far, side="right")
        return float(np.mean(below / 2) / len(near))


@attrs.frozen
class DetectionAtFalseAlarm(OpenSetMetric):
    r"""The share of unknown queries that are called unknown where at most a share `rate` of the known ones is.

    .. math:: \max \{ P(d_u > t) : P(d_k > t) \le \mathit{rate} \}

    From 0 to 1. It is read at the smallest such threshold, without interpolation; 0 where more than that share of the
    known queries has no match at all. One minus it, at a rate of 0.05, is the "FPR at 95 % TPR" of Liang, Li and
    Srikant, "Enhancing the Reliability of Out-of-Distribution Image Detection in Neural Networks", ICLR 2018,
    arXiv:1706.02690, with known queries as the positive ones.
    """

    rate: float = option(0.05, gt=0, lt=1, doc="The largest share of known queries that may be called unknown.")

    def score(self, distances: np.ndarray, known: np.ndarray, right: np.ndarray) -> float:
        """Return the share."""
        near = np.sort(distances[known])
        threshold = near[-1 - _allowed(len(near), self.rate)]
        return float(np.mean(distances[~known] > threshold)) if np.isfinite(threshold) else 0.0


@attrs.frozen
class IdentificationAtFalseAlarm(OpenSetMetric):
    r"""The share of known queries that are accepted with the right label while at most `rate` of the unknown are.

    .. math:: \max \{ P(d_k \le t \wedge \mathrm{right}) : P(d_u \le t) \le \mathit{rate} \}

    From 0 to 1: the detection and identification rate of Phillips, Grother and Micheals, "Evaluation Methods in Face
    Recognition", Handbook of Face Recognition 2011, at rank 1. One minus it is the false negative identification rate
    (FNIR) at a false positive identification rate (FPIR) of ISO/IEC 19795-1 and NIST's Face Recognition Vendor Test. A
    known query as far as the nearest unknown one that must be rejected is rejected with it.
    """

    rate: float = option(0.01, gt=0, lt=1, doc="The largest share of unknown queries that may be accepted.")

    def score(self, distances: np.ndarray, known: np.ndarray, right: np.ndarray) -> float:
        """Return the share."""
        far = np.sort(distances[~known])
        rejected_from = far[_allowed(len(far), self.rate)]
        return float(np.mean(right[known] & (distances[known] < rejected_from)))


def _allowed(count: int, rate: float) -> int:
    """Return how many of so many are at most this share of them, which is below 1."""
    # As quotients, 29 of 100 are a share of 0.29; 0.29 * 100 is less than 29.
    return int(np.searchsorted(np.arange(count) / count, rate, side="right")) - 1
