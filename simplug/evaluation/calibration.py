"""Calibration: from matches of known queries to the distances at which a match is accepted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from simplug.api.metric import ClassificationMetric
from simplug.evaluation.checking import by_label
from simplug.evaluation.matches import checked_matches
from simplug.kernel.entries import own_version
from simplug.kernel.errors import ArtifactError, InvalidInputError, did_you_mean

OPTIMAL = "optimal"
"""The name of the cut point at the best value of the calibration metric."""

FORMAT = 2
"""The format that :meth:`Calibration.to_json` writes. Format 1 had no number, no intervals and no model."""

_CURVE_POINTS = 1000
_RESOLUTION = 1e-5


@attrs.frozen
class CutPoint:
    """The largest distance at which a match is accepted.

    Attributes:
        name: ``"optimal"``, or the name of a target.
        distance: A match is accepted when its distance is less than or equal to this.
        scores: The score of each metric on the calibration queries, or on their pairs, by its label.
        intervals: The confidence interval of each score that has one, by its label.
        level: The confidence level of the intervals; None where there are none.
    """

    name: str
    distance: float
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = attrs.field(factory=dict)
    level: float | None = None


@attrs.frozen
class Calibration:
    """Cut points, and how they were found.

    Attributes:
        metric: The label of the metric that the optimal cut point is best in.
        k: How many neighbours the matcher saw.
        matcher: The config table of the matcher; a cut point holds only for the matcher and the k it was made with.
        cut_points: The cut points by name; ``"optimal"`` is always there.
        curve: Columns of equal length: ``"distance"``, ascending, and the score of each metric at it. Of more than a
            thousand thresholds, a thousand are kept, evenly spaced by rank, the first and the last among them.
        queries: How many queries were used.
        sequence: The state of the index that the matches came from; None when it is not known.
        model: What tells the model that made the embeddings from others, such as a hash of its weights; None when it
            is not known.
    """

    metric: str
    k: int
    matcher: Mapping[str, Any]
    cut_points: Mapping[str, CutPoint]
    curve: Mapping[str, tuple[float, ...]]
    queries: int
    sequence: int | None = None
    model: str | None = None

    def __attrs_post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise InvalidInputError(f"a calibration cannot be like this: {'; '.join(problems)}")

    def to_json(self) -> str:
        """Return all of it as JSON text, from which :meth:`from_json` makes an equal one."""
        return json.dumps({"format": FORMAT, **attrs.asdict(self)}, allow_nan=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Calibration:
        """Read what :meth:`to_json` wrote.

        Raises:
            ArtifactError: The text is no JSON, not that of a calibration, or of a newer format.
        """
        import cattrs

        try:
            data = json.loads(text, parse_constant=_refuse_constant)
        except ValueError as cause:
            raise ArtifactError(f"the calibration is damaged: {cause}") from cause
        if not isinstance(data, dict):
            raise ArtifactError(f"the calibration is damaged: it is {type(data).__name__}, not a table")
        _require_readable(data.pop("format", 1))
        try:
            read: Calibration = _strict_converter().structure(data, cls)
        except cattrs.BaseValidationError as cause:
            mistakes = "; ".join(cattrs.transform_error(cause, path="calibration", format_exception=_told))
            raise ArtifactError(f"the calibration is damaged: {mistakes}") from cause
        return read


def calibrate(
    true_labels: np.ndarray,
    matched_labels: np.ndarray,
    matched_distances: np.ndarray,
    *,
    metric: ClassificationMetric,
    extra_metrics: Sequence[ClassificationMetric] = (),
    targets: Mapping[str, Mapping[str, float]] | None = None,
    k: int,
    matcher: Mapping[str, Any],
) -> Calibration:
    r"""Find the distances at which to accept a match, by one sweep over the sorted distances, O(q log q).

    Each distinct distance of a match is a threshold. There, TP counts the right matches within it, FP the wrong ones,
    FN the right ones beyond it and TN the wrong ones beyond it; a query without a neighbour is a wrong match beyond
    every threshold. Distances that differ by float noise are one threshold: those within
    :math:`10^{-5} \max(|d|, \mathrm{median} |d|)` of each other. (One minus a float32 inner product is uncertain by
    some :math:`10^{-7}`, however small it is itself; hence the median.) Where distances lie as densely as that
    throughout, each stretch of this width is one threshold.

    The cut point ``"optimal"`` has the best value of `metric`; a target has a value at least as good as the one it
    asks for. Of several such distances it is the largest; but the smallest for recall and npv, which accepting
    everything would satisfy (:attr:`simplug.api.ClassificationMetric.cut_at`).

    A cut point lies a little above the largest distance that it accepts, by half of the tolerance or half of the way
    to the next distance, and is a float32 number wherever there is one in between. So matching the same queries
    again reproduces its scores exactly, with distances in float32 or float64, and noise in the last digits of the
    distances changes nothing.

    Args:
        true_labels: (q,) integer labels of the queries; labels that the gallery does not have are welcome.
        matched_labels: (q,) integer labels that the matcher gave.
        matched_distances: (q,) distances of the matches; inf where a query has no neighbour.
        metric: What the optimal cut point is best in.
        extra_metrics: Metrics that are reported beside it, and that targets may name.
        targets: For each further cut point, by its name, one metric and the value to reach, such as
            ``{"strict": {"precision": 0.99}}``; at most this value for a metric to be minimised.
        k: How many neighbours the matcher saw.
        matcher: The config table of the matcher.

    Raises:
        InvalidInputError: The arrays are unusable, no query has a neighbour, or a target is malformed or out of reach;
            the message then has the best value that was reached, and where.
    """
    right, distances = checked_matches(true_labels, matched_labels, matched_distances)
    if not np.any(np.isfinite(distances)):
        raise InvalidInputError(
            f"none of the {len(distances)} queries has a neighbour (every distance is inf); no threshold can be found"
        )
    metrics = by_label((metric, *extra_metrics), ClassificationMetric)
    wanted = {name: _checked_target(name, target, metrics) for name, target in (targets or {}).items()}
    cuts, counts = _sweep(right, distances)
    scores = {label: one.score(*counts) for label, one in metrics.items()}
    best = _best(metric, scores[metric.label])
    cut_points = {}
    for name, (label, value) in {OPTIMAL: (metric.label, best), **wanted}.items():
        reached = _reached(metrics[label], scores[label], value)
        if not reached.size:
            raise InvalidInputError(_out_of_reach(name, metrics[label], value, scores[label], cuts))
        at = _choice(metrics[label], reached)
        cut_points[name] = CutPoint(name, float(cuts[at]), {key: float(values[at]) for key, values in scores.items()})
    kept = kept_of_curve(len(cuts))
    curve = {name: tuple(values[kept].tolist()) for name, values in {"distance": cuts, **scores}.items()}
    return Calibration(metric.label, k, dict(matcher), cut_points, curve, len(distances))


def kept_of_curve(thresholds: int) -> np.ndarray:
    """Return which of so many ascending thresholds the curve of a calibration keeps, as positions."""
    evenly = np.linspace(0, thresholds - 1, min(thresholds, _CURVE_POINTS))
    return np.unique(evenly.round().astype(np.int64))


def _sweep(right: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return the (t,) cuts, ascending, and the (t,) counts TP, FP, TN, FN at each."""
    finite = np.isfinite(distances)
    order = np.argsort(distances[finite], kind="stable")
    ordered = distances[finite][order]
    noise = _RESOLUTION * np.maximum(np.abs(ordered), np.median(np.abs(ordered)))
    last = _last_of_thresholds(ordered, noise)
    tp = np.cumsum(right[finite][order])[last]
    fp = last + 1 - tp
    fn = np.count_nonzero(right) - tp
    tn = np.count_nonzero(~right) - fp
    upper = ordered[last]
    following = np.append(ordered[last[:-1] + 1], np.inf)
    return _cuts(upper, following, noise[last]), (tp, fp, tn, fn)


def _last_of_thresholds(ordered: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the position of the last distance of each threshold, given ascending distances and the noise of each."""
    # A run has no gap wider than noise. It is cut into steps as wide as the noise at its start: dense distances
    # would otherwise hang together, each near the next, from the first to the last.
    starts = np.append(True, np.diff(ordered) > noise[1:])
    run = np.cumsum(starts) - 1
    along, width = ordered - ordered[starts][run], noise[starts][run]
    step = np.floor(np.divide(along, width, out=np.zeros_like(along), where=width > 0))
    changes = (np.diff(run) > 0) | (np.diff(step) > 0)
    return np.flatnonzero(np.append(changes, True))


def _cuts(upper: np.ndarray, following: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return a float32 number in ``[upper, following)`` for each threshold, or `upper` where there is none."""
    with np.errstate(over="ignore"):
        cuts = (upper + np.minimum(following - upper, noise) / 2).astype(np.float32).astype(np.float64)
    return np.where((upper <= cuts) & (cuts < following), cuts, upper)


def _best(metric: ClassificationMetric, scores: np.ndarray) -> float:
    return float(scores.max() if metric.maximize else scores.min())


def _reached(metric: ClassificationMetric, scores: np.ndarray, value: float) -> np.ndarray:
    """Return the thresholds, ascending, at which the metric is at least as good as a value."""
    return np.flatnonzero(scores >= value if metric.maximize else scores <= value)


def _choice(metric: ClassificationMetric, reached: np.ndarray) -> int:
    return int(reached[0] if metric.cut_at == "smallest" else reached[-1])


def _out_of_reach(name: str, metric: ClassificationMetric, value: float, scores: np.ndarray, cuts: np.ndarray) -> str:
    best = _best(metric, scores)
    where = cuts[_choice(metric, _reached(metric, scores, best))]
    sign = ">=" if metric.maximize else "<="
    return (
        f"target '{name}' asks for {metric.label} {sign} {value}, which no distance reaches; "
        f"the best is {best:.6g}, at distance {where:.5g}"
    )


def _checked_target(
    name: str, target: Mapping[str, float], metrics: Mapping[str, ClassificationMetric]
) -> tuple[str, float]:
    """Return the metric's label and the value of a target."""
    if name == OPTIMAL:
        raise InvalidInputError(
            f"a target cannot be named '{OPTIMAL}': that is the cut point of the calibration metric"
        )
    if not isinstance(target, Mapping) or len(target) != 1:
        raise InvalidInputError(
            f"target '{name}' is {target!r}; it is one metric and its value, as {{'precision': 0.99}}"
        )
    label, value = next(iter(target.items()))
    if label not in metrics:
        raise InvalidInputError(
            f"target '{name}' names the metric '{label}', which is not calculated{did_you_mean(str(label), metrics)}\n"
            f"calculated: {', '.join(metrics)}"
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInputError(f"target '{name}': the value of {label} is {value!r}; it is a finite number")
    return label, float(value)


def _problems(calibration: Calibration) -> list[str]:
    """Say what contradicts itself in a calibration."""
    optimal = calibration.cut_points.get(OPTIMAL)
    columns = calibration.curve
    numbers = [number for column in columns.values() for number in column]
    for point in calibration.cut_points.values():
        numbers += [point.distance, *point.scores.values()]
        numbers += [number for interval in point.intervals.values() for number in interval]
    checks = {
        f"k is {calibration.k}, not at least 1": calibration.k >= 1,
        f"it was made with {calibration.queries} queries": calibration.queries >= 1,
        "its matcher has no name": isinstance(calibration.matcher.get("name"), str),
        f"it has no cut point '{OPTIMAL}' with a value of {calibration.metric}": optimal is not None
        and calibration.metric in optimal.scores,
        "a cut point has another name than its key": all(
            name == point.name for name, point in calibration.cut_points.items()
        ),
        "an interval does not ascend, has no score, or no level between 0 and 1": all(
            _has_sound_intervals(point) for point in calibration.cut_points.values()
        ),
        "its curve has no distances": bool(columns.get("distance")),
        "the columns of its curve have different lengths": len({len(column) for column in columns.values()}) == 1,
        "a distance or a score is not finite": all(map(math.isfinite, numbers)),
    }
    return [problem for problem, holds in checks.items() if not holds]


def _has_sound_intervals(point: CutPoint) -> bool:
    if not point.intervals:
        return point.level is None
    ascend = all(low <= high for low, high in point.intervals.values())
    return ascend and point.intervals.keys() <= point.scores.keys() and point.level is not None and 0 < point.level < 1


def _require_readable(found: Any) -> None:
    """Refuse a format number that is none, or that of a newer version."""
    if type(found) is not int or found < 1:
        raise ArtifactError(f"the calibration is damaged: its format is {found!r}, not a number from 1")
    if found > FORMAT:
        raise ArtifactError(
            f"the calibration has format {found}; this is simplug {own_version()}, which reads up to format {FORMAT}: "
            "pip install -U simplug"
        )


def _strict_converter() -> Any:
    """Return a converter that takes values as they are: no text becomes a number, no key is ignored."""
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True)
    for plain in (int, float, str):
        converter.register_structure_hook(plain, _as_it_is)
    return converter


def _as_it_is(value: Any, expected: type) -> Any:
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, expected) and not isinstance(value, bool):
        return value
    raise ValueError(f"must be {expected.__name__}, not {value!r}")


def _told(mistake: BaseException, expected: type | None) -> str:
    """Say what is wrong: in our own words where a value or the whole was refused here, else in those of cattrs."""
    from cattrs.v import format_exception

    return str(mistake) if isinstance(mistake, ValueError) else format_exception(mistake, expected)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"it holds {name}, which is no finite number")
