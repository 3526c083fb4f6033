"""Scores of decisions to accept or reject a match, from the counts at a threshold.

A match is accepted when its distance is at most the threshold. TP counts accepted matches with the right label, FP
accepted ones with a wrong label, TN rejected ones with a wrong label and FN rejected ones with the right label.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs
import numpy as np

from simplug.api import ClassificationMetric


@attrs.frozen
class Precision(ClassificationMetric):
    r"""The share of accepted matches that are right; 1 where none is accepted.

    .. math:: \mathrm{precision} = \frac{TP}{TP + FP}

    The value 1 without any accepted match is the end of scikit-learn's precision-recall curve.
    """

    zero_division: ClassVar[float] = 1.0

    def fraction(self, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator."""
        return tp, tp + fp


@attrs.frozen
class Recall(ClassificationMetric):
    r"""The share of right matches that are accepted; 0 where no match is right.

    .. math:: \mathrm{recall} = \frac{TP}{TP + FN}

    Every larger threshold has at least this recall, so a wanted recall is reached at the smallest distance that has it.
    """

    cut_at: ClassVar[Literal["smallest", "largest"]] = "smallest"

    def fraction(self, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator."""
        return tp, tp + fn


@attrs.frozen
class F1(ClassificationMetric):
    r"""The harmonic mean of precision and recall; 0 where no match is right and none is accepted.

    .. math:: F_1 = \frac{2\,TP}{2\,TP + FP + FN}
    """

    def fraction(self, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator."""
        return 2 * tp, 2 * tp + fp + fn


@attrs.frozen
class BinaryAccuracy(ClassificationMetric):
    r"""The share of right decisions: right matches accepted and wrong matches rejected; 0 where there is no query.

    .. math:: \mathrm{accuracy} = \frac{TP + TN}{TP + FP + TN + FN}

    TensorFlow Similarity counts TP alone in the numerator, so that rejecting what is unknown earns nothing there.
    """

    def fraction(self, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator."""
        return tp + tn, tp + fp + tn + fn


@attrs.frozen
class FalsePositiveRate(ClassificationMetric):
    r"""The share of wrong matches that are accepted, lower is better; 0 where no match is wrong.

    .. math:: \mathrm{fpr} = \frac{FP}{FP + TN}
    """

    maximize: ClassVar[bool] = False

    def fraction(self, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator."""
        return fp, fp + tn


@attrs.frozen
class NegativePredictiveValue(ClassificationMetric):
    r"""The share of rejected matches that are wrong; 1 where none is rejected.

    .. math:: \mathrm{npv} = \frac{TN}{TN + FN}

    It is the precision of rejections. Accepting everything has the value 1 for nothing, so a wanted value is reached at
    the smallest distance that has it, where most is rejected.
    """

    zero_division: ClassVar[float] = 1.0
    cut_at: ClassVar[Literal["smallest", "largest"]] = "smallest"

    def fraction(self, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator."""
        return tn, tn + fn
