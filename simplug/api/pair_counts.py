"""What is known of very many pairs without keeping one of them: counts by distance, and extremes."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.kernel.errors import InvalidInputError


@attrs.frozen(eq=False)
class PairCounts:
    """How many positive and how many negative pairs lie within each of some distances.

    The counts are exact at every threshold; between two thresholds nothing is known. Where there are few pairs, each
    distance that occurs is a threshold; where there are many, thresholds are the edges of narrow bins.

    Attributes:
        thresholds: (t,) float64 distances, ascending; no pair is farther than the last.
        positives: (t,) int64 numbers of pairs of one class within each threshold.
        negatives: (t,) int64 numbers of pairs of two classes within each threshold.
    """

    thresholds: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray

    def __attrs_post_init__(self) -> None:
        columns = (self.thresholds, self.positives, self.negatives)
        if len({column.shape for column in columns}) > 1 or self.thresholds.ndim != 1 or not len(self.thresholds):
            raise InvalidInputError(
                f"columns of shapes {[column.shape for column in columns]}; all are (t,), t at least 1"
            )
        if any((np.diff(column) < 0).any() for column in columns):
            raise InvalidInputError("thresholds ascend, and a larger one holds at least as many pairs")

    @property
    def all_positives(self) -> int:
        """The number of positive pairs."""
        return int(self.positives[-1])

    @property
    def all_negatives(self) -> int:
        """The number of negative pairs."""
        return int(self.negatives[-1])

    @property
    def accepted_positives(self) -> np.ndarray:
        """The (t,) shares of positive pairs within each threshold: the true accept rate, TAR."""
        rates: np.ndarray = self.positives / max(self.all_positives, 1)
        return rates

    @property
    def accepted_negatives(self) -> np.ndarray:
        """The (t,) shares of negative pairs within each threshold: the false accept rate, FAR."""
        rates: np.ndarray = self.negatives / max(self.all_negatives, 1)
        return rates


@attrs.frozen
class Distances:
    """Some distances in short.

    Attributes:
        count: How many there are; without any, the others are NaN.
        mean: Their mean.
        least: The smallest.
        most: The largest.
    """

    count: int
    mean: float
    least: float
    most: float


@attrs.frozen
class PairSummary:
    """The distances of the pairs of a set of examples, in short.

    Attributes:
        positive: Those of pairs of one class; an example and itself are no pair.
        negative: Those of pairs of two classes.
    """

    positive: Distances
    negative: Distances
