"""Scores of the decision whether two examples are of one class, from counts of pairs by their distance.

A pair is accepted, that is called one class, when its distance is at most the threshold. TAR is the share of positive
pairs that are accepted, FAR the share of negative ones. Pairs of equal distance are accepted together, so no metric
depends on their order. A threshold below every distance, where nothing is accepted, always counts as one.
"""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from simplug.api import PairCounts, VerificationMetric, option


@attrs.frozen
class RocAuc(VerificationMetric):
    r"""The area under the ROC curve: how often a positive pair is nearer than a negative one; from 0 to 1.

    .. math:: \mathrm{AUC} = P(d_+ < d_-) + \tfrac{1}{2} P(d_+ = d_-)

    Hanley and McNeil, "The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve",
    Radiology 1982. It is the trapezoid under the points (FAR, TAR), so pairs of equal distance count half, and so do
    those of one bin where distances are counted in bins. Chance has 0.5.
    """

    def score(self, counts: PairCounts) -> float:
        """Return the area."""
        false_accepts, true_accepts = counts.curve()
        return float(np.trapezoid(true_accepts, false_accepts))


@attrs.frozen
class EqualErrorRate(VerificationMetric):
    r"""The error rate at the threshold where as many negative pairs are accepted as positive ones rejected; 0 to 1.

    .. math:: \mathrm{EER} = \mathrm{FAR}(t^*) = 1 - \mathrm{TAR}(t^*)

    Lower is better; chance has 0.5. Where no threshold makes the two rates equal, they are interpolated linearly
    between the two thresholds around the crossing: the value is where the ROC curve, with its points joined by straight
    lines, meets the line TAR = 1 - FAR. Maltoni et al., "Handbook of Fingerprint Recognition", 2009, section 1.4.
    """

    maximize: ClassVar[bool] = False

    def score(self, counts: PairCounts) -> float:
        """Return the rate."""
        return counts.equal_error().far


@attrs.frozen
class TarAtFar(VerificationMetric):
    r"""The share of positive pairs that are accepted where at most a share `far` of the negative ones is; 0 to 1.

    .. math:: \mathrm{TAR@FAR} = \max \{ \mathrm{TAR}(t) : \mathrm{FAR}(t) \le \mathit{far} \}

    It is read at the largest such threshold, without interpolation; where even the nearest pairs hold too many negative
    ones, nothing can be accepted and the score is 0. With fewer than 1 / `far` negative pairs none of them may be
    accepted, and with fewer than some 30 / `far` the value hangs on a few pairs. This is the protocol of NIST's Face
    Recognition Vendor Test and of IJB: Klare et al., "Pushing the Frontiers of Unconstrained Face Detection and
    Recognition: IARPA Janus Benchmark A", CVPR 2015.
    """

    far: float = option(1e-3, gt=0, lt=1, doc="The largest share of negative pairs that may be accepted.")

    def score(self, counts: PairCounts) -> float:
        """Return the share."""
        return counts.within_far(self.far).tar


@attrs.frozen
class FnmrAtFmr(VerificationMetric):
    r"""The share of positive pairs that are rejected where at most a share `fmr` of the negative ones is accepted.

    .. math:: \mathrm{FNMR@FMR} = \min \{ 1 - \mathrm{TAR}(t) : \mathrm{FAR}(t) \le \mathit{fmr} \}

    From 0 to 1, lower is better; 1 where nothing can be accepted. False match rate (FMR) and false non-match rate
    (FNMR) are the terms of ISO/IEC 19795-1 for the errors of comparing two samples; this is one minus ``tar_at_far``.
    """

    maximize: ClassVar[bool] = False

    fmr: float = option(1e-3, gt=0, lt=1, doc="The largest share of negative pairs that may be accepted.")

    def score(self, counts: PairCounts) -> float:
        """Return the share."""
        return 1 - counts.within_far(self.fmr).tar


@attrs.frozen
class BestAccuracy(VerificationMetric):
    r"""The share of right decisions at the threshold where it is largest.

    .. math:: \max_t \frac{TP(t) + TN(t)}{P + N}

    From max(P, N) / (P + N), which rejecting or accepting every pair has, to 1. Among all pairs of many classes the
    negative ones outnumber the positive so far that rejecting every pair is right nearly always; `balanced` then says
    more: it gives both kinds the same weight, as the equal numbers of pairs in Labeled Faces in the Wild do (Huang et
    al., University of Massachusetts technical report 07-49, 2007), and is 0.5 or more. The threshold is chosen on
    the very pairs that are scored, so the value is a little too good where there are few.
    """

    balanced: bool = option(
        False, doc="Whether positive and negative pairs have the same weight, whatever their numbers."
    )

    def score(self, counts: PairCounts) -> float:
        """Return the share."""
        positive, negative = (1, 1) if self.balanced else (counts.all_positives, counts.all_negatives)
        false_accepts, true_accepts = counts.curve()
        right = positive * true_accepts + negative * (1 - false_accepts)
        return float(right.max() / (positive + negative))
