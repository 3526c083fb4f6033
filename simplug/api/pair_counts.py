"""What is known of very many pairs without keeping one of them: counts by distance, and extremes."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.kernel.errors import InvalidInputError


@attrs.frozen
class AcceptedPairs:
    """What is accepted within a distance.

    Attributes:
        far: The false accept rate: the share of negative pairs within the distance.
        tar: The true accept rate: the share of positive pairs within it.
        distance: The threshold; NaN where it is below every distance, so that nothing is accepted.
    """

    far: float
    tar: float
    distance: float


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

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (t + 1,) FAR and TAR, from a threshold below every distance on, which accepts nothing."""
        return np.append(0.0, self.accepted_negatives), np.append(0.0, self.accepted_positives)

    def within_far(self, far: float) -> AcceptedPairs:
        """Return what the largest threshold accepts at which FAR is at most `far`, without interpolation."""
        false_accepts, true_accepts = self.curve()
        last = int(np.searchsorted(false_accepts, far, side="right")) - 1
        return AcceptedPairs(float(false_accepts[last]), float(true_accepts[last]), self._threshold(last))

    def equal_error(self) -> AcceptedPairs:
        """Return where as many negative pairs are accepted as positive ones rejected.

        Where no threshold makes the two rates equal, they are interpolated linearly between the two thresholds around
        the crossing; the distance is that of the larger. There is at least one pair of each kind.
        """
        false_accepts, true_accepts = self.curve()
        excess = false_accepts - (1 - true_accepts)
        after = int(np.argmax(excess >= 0))
        before = after - 1
        share = -excess[before] / (excess[after] - excess[before])
        error = float(false_accepts[before] + share * (false_accepts[after] - false_accepts[before]))
        return AcceptedPairs(error, 1 - error, self._threshold(after))

    def _threshold(self, place: int) -> float:
        return float(self.thresholds[place - 1]) if place else float("nan")


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
