"""Calibration on pairs: the distances at which a share of false accepts, or a precision, is reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from simplug.api.distance import Distance
from simplug.api.pair_counts import PairCounts
from simplug.evaluation.calibration import OPTIMAL, Calibration, CutPoint, kept_of_curve
from simplug.evaluation.pair_spread import PairSpread, spread_of_pairs
from simplug.evaluation.pairs import checked_pairs, count_pairs
from simplug.kernel.errors import InvalidInputError, did_you_mean
from simplug.kernel.registry import registry_of

PAIR_METRIC = "balanced_accuracy"
"""What the optimal cut point of pairs is best in."""

_REACHED: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "far": np.less_equal,
    "precision": np.greater_equal,
    "tar": np.greater_equal,
}
"""When a score of pairs is as good as a target asks for."""


def calibrate_pairs(
    embeddings: Any,
    labels: Any,
    *,
    targets: Mapping[str, Mapping[str, float]],
    distance: str | Mapping[str, Any] | Distance = "cosine",
    prior: float | None = None,
    level: float = 0.95,
) -> Calibration:
    r"""Find the distances at which pairs of examples reach a false accept rate or a precision, with intervals.

    All pairs within the set are used, each once: those of one class are positive, the others negative. A pair is
    accepted when its distance is at most the cut point; then

    .. math::
        \mathrm{TAR} = \frac{\text{positive accepted}}{\text{positive}}, \quad
        \mathrm{FAR} = \frac{\text{negative accepted}}{\text{negative}}, \quad
        \mathrm{precision} = \frac{\pi \, \mathrm{TAR}}{\pi \, \mathrm{TAR} + (1 - \pi) \, \mathrm{FAR}}

    where :math:`\pi` is the share of positive pairs. A target ``{"far": 1e-3}`` becomes the largest distance with at
    most this FAR, ``{"precision": 0.99}`` the largest with at least this precision, and ``{"tar": 0.95}`` the smallest
    with at least this TAR. The cut point ``"optimal"`` has the best balanced accuracy, (TAR + 1 - FAR) / 2, which does
    not depend on :math:`\pi`. Pairs are counted by :func:`simplug.evaluation.count_pairs`, exactly up to four million
    of them and beyond at the edges of narrow bins; a cut point is a distance at which the counts are exact.

    The rates are those of one comparison. A query of an unknown class that is compared with a gallery is accepted as
    soon as one record of it is near enough: with N records this happens up to N times as often.

    An interval is that of the rate at the cut point as it is, for further classes of the same kind. Pairs that share
    an example or a class are not independent, so a rate counts as made of fewer than there are:

    - its variance is that of a sum over pairs of classes any two of which may depend on each other if they have a
      class in common (Aronow, Samii and Assenova, "Cluster-Robust Variance Estimation for Dyadic Data", Political
      Analysis 2015), times c / (c - 1) for c classes; for the precision it is linearised, with :math:`\pi` fixed;
    - p (1 - p) over this variance is the number of independent pairs that would know the rate as well; it is reduced
      by the ratio of the quantiles of a normal and a t distribution with c - 1 degrees of freedom, squared, and the
      interval is that of Clopper and Pearson for so many pairs (Korn and Graubard, "Confidence Intervals for
      Proportions with Small Expected Number of Positive Counts Estimated from Survey Data", Survey Methodology 1998);
    - where none or all of the pairs are accepted nothing tells how much they depend on each other, and each class
      counts as one observation.

    That the cut point was chosen on the same pairs is not in the intervals.

    Args:
        embeddings: (n, d) finite numbers.
        labels: (n,) integer labels.
        targets: For each cut point, by its name, one of ``far``, ``precision`` and ``tar`` and the value to reach.
        distance: How far two embeddings are apart.
        prior: The share of positive pairs where the cut points are used; None takes that of these pairs. Among all
            pairs of a balanced set of c classes it is about 1 / c, and the precision hangs on it.
        level: The confidence level of the intervals, between 0 and 1.

    Returns:
        A calibration for the matcher ``nearest`` with k = 1, whose distance is that of a pair. Each cut point has the
        scores ``far``, ``tar``, ``precision``, ``balanced_accuracy`` and ``prior``, and intervals of the first three.

    Raises:
        InvalidInputError: The arrays are unusable, there is no positive or no negative pair, a target is malformed or
            out of reach, or there are fewer negative pairs than a FAR needs to be seen: 1 / far.
    """
    wanted = {name: _checked_target(name, target) for name, target in targets.items()}
    _require_share("level", level)
    if prior is not None:
        _require_share("prior", prior)
    measured: Distance = registry_of("distance").build(distance)
    examples, _ = checked_pairs(embeddings, labels, None, None, measured)
    counts = count_pairs(embeddings, labels, distance=measured)
    places = _places(counts, wanted, prior)
    scores = _scores(counts, prior)
    spreads = spread_of_pairs(measured, examples, counts.thresholds[list(places.values())])
    cut_points = {
        name: _cut_point(name, counts, scores, place, spread, level)
        for (name, place), spread in zip(places.items(), spreads, strict=True)
    }
    kept = kept_of_curve(len(counts.thresholds))
    columns = {"distance": counts.thresholds, **{key: scores[key] for key in scores if key != "prior"}}
    curve = {name: tuple(values[kept].tolist()) for name, values in columns.items()}
    return Calibration(PAIR_METRIC, 1, {"name": "nearest"}, cut_points, curve, len(examples))


def _scores(counts: PairCounts, prior: float | None) -> dict[str, np.ndarray]:
    """Return the (t,) scores at each threshold; the smallest of them accepts a pair, so none is 0 / 0."""
    tar, far = counts.accepted_positives, counts.accepted_negatives
    share = prior if prior is not None else counts.all_positives / (counts.all_positives + counts.all_negatives)
    return {
        "far": far,
        "tar": tar,
        "precision": share * tar / (share * tar + (1 - share) * far),
        PAIR_METRIC: (tar + 1 - far) / 2,
        "prior": np.full(len(tar), share),
    }


def _places(counts: PairCounts, wanted: Mapping[str, tuple[str, float]], prior: float | None) -> dict[str, int]:
    """Return the number of the threshold of each cut point."""
    scores = _scores(counts, prior)
    balanced = scores[PAIR_METRIC]
    places = {OPTIMAL: int(np.flatnonzero(balanced == balanced.max())[-1])}
    for name, (label, value) in wanted.items():
        if label == "far":
            _require_enough_pairs(name, value, counts)
        reached = np.flatnonzero(_REACHED[label](scores[label], value))
        if not reached.size:
            raise InvalidInputError(_out_of_reach(name, label, value, scores[label], counts))
        places[name] = int(reached[0] if label == "tar" else reached[-1])
    return places


def _cut_point(
    name: str, counts: PairCounts, scores: Mapping[str, np.ndarray], place: int, spread: PairSpread, level: float
) -> CutPoint:
    at = {label: float(values[place]) for label, values in scores.items()}
    intervals = spread.intervals(at["far"], at["tar"], at["precision"], level)
    return CutPoint(name, float(counts.thresholds[place]), at, intervals, level)


def _checked_target(name: str, target: Mapping[str, float]) -> tuple[str, float]:
    """Return the score and the value of a target."""
    if name == OPTIMAL:
        raise InvalidInputError(
            f"a target cannot be named '{OPTIMAL}': that is the cut point of the best {PAIR_METRIC}"
        )
    if not isinstance(target, Mapping) or len(target) != 1:
        raise InvalidInputError(f"target '{name}' is {target!r}; it is one score and its value, as {{'far': 0.001}}")
    label, value = next(iter(target.items()))
    if label not in _REACHED:
        raise InvalidInputError(
            f"target '{name}' names '{label}', which pairs have no target for{did_you_mean(str(label), _REACHED)}\n"
            f"possible: {', '.join(_REACHED)}"
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InvalidInputError(
            f"target '{name}': the value of {label} is {value!r}; it is a number above 0 and at most 1"
        )
    return label, float(value)


def _require_share(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InvalidInputError(f"{name} is {value!r}; it is a number between 0 and 1")


def _require_enough_pairs(name: str, far: float, counts: PairCounts) -> None:
    needed = math.ceil(round(1 / far, 6))
    if counts.all_negatives < needed:
        raise InvalidInputError(
            f"target '{name}' asks for far <= {far:g}, which takes at least {needed:,} pairs of different classes to "
            f"be seen once; there are {counts.all_negatives:,}: give more examples, or ask for far >= "
            f"{1 / counts.all_negatives:.2g}"
        )


def _out_of_reach(name: str, label: str, value: float, scores: np.ndarray, counts: PairCounts) -> str:
    best = scores.min() if label == "far" else scores.max()
    place = np.flatnonzero(scores == best)[-1]
    sign = "<=" if label == "far" else ">="
    return (
        f"target '{name}' asks for {label} {sign} {value:g}, which no distance reaches; "
        f"the best is {best:.6g}, at distance {counts.thresholds[place]:.5g}"
    )
