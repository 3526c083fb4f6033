"""Scores of neighbours and of matches: retrieval, decisions at a threshold, and who was taken for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simplug.api.metric import ClassificationMetric, Metric, RetrievalMetric
from simplug.kernel.errors import InvalidInputError, did_you_mean

_AVERAGES = ("micro", "macro")


class RetrievalScores(dict[str, float]):
    """Scores by the label of their metric, such as ``{"recall@1": 0.93}``.

    Attributes:
        queries: How many queries were scored.
        left_out: How many were not, because the gallery holds nothing with their label.
    """

    def __init__(self, values: dict[str, float], *, queries: int, left_out: int) -> None:
        super().__init__(values)
        self.queries = queries
        self.left_out = left_out


def depth(metrics: Sequence[RetrievalMetric], relevant: np.ndarray) -> int:
    """Return how many neighbours the metrics need; it may be more than the gallery holds.

    Args:
        metrics: The metrics, at least one.
        relevant: (q,) numbers of records with the query's label in the gallery, the query itself left out.

    Raises:
        InvalidInputError: There is no metric, one of another task, or no query with a relevant record.
    """
    by_label(metrics, RetrievalMetric)
    counts = _relevant_counts(relevant)
    counted = _scored(counts)
    return max(metric.depth(counts[counted]) for metric in metrics)


def score_retrieval(
    metrics: Sequence[RetrievalMetric],
    neighbor_labels: np.ndarray,
    filled: np.ndarray,
    query_labels: np.ndarray,
    relevant: np.ndarray,
    *,
    average: str = "micro",
) -> RetrievalScores:
    """Score ranked neighbours.

    Queries without a relevant record in the gallery are left out: no ranking could be right for them.

    Args:
        metrics: The metrics, at least one.
        neighbor_labels: (q, n) integer labels of the neighbours, nearest first, as many as :func:`depth` asks for or
            the whole gallery.
        filled: (q, n) booleans: whether a neighbour is there; labels of other places mean nothing.
        query_labels: (q,) integer labels.
        relevant: (q,) numbers of records with the query's label in the gallery, the query itself left out.
        average: ``"micro"``, the mean over queries, or ``"macro"``, the mean over classes of the mean over the
            queries of each class.

    Returns:
        A dict from the label of each metric to its score, which also says how many queries were scored and left out.

    Raises:
        InvalidInputError: The arrays do not fit together, no query has a relevant record, more relevant neighbours
            are given than `relevant` allows, or the average is unknown.
    """
    labelled = by_label(metrics, RetrievalMetric)
    if average not in _AVERAGES:
        raise InvalidInputError(
            f"average is {average!r}; it is one of {', '.join(_AVERAGES)}{did_you_mean(str(average), _AVERAGES)}"
        )
    classes = labels_of("query_labels", query_labels)
    counts = _relevant_counts(relevant)
    neighbors, filled = np.asarray(neighbor_labels), np.asarray(filled)
    if neighbors.ndim != 2 or neighbors.shape != filled.shape:
        raise InvalidInputError(
            f"neighbor_labels have shape {neighbors.shape} and filled {filled.shape}; both are (queries, neighbours)"
        )
    _require_integers("neighbor_labels", neighbors)
    if filled.dtype != np.bool_:
        raise InvalidInputError(f"filled has dtype {filled.dtype}; it is booleans")
    _require_lengths(neighbor_labels=neighbors, query_labels=classes, relevant=counts)
    hits = filled & (neighbors == classes[:, np.newaxis])
    counted = _scored(counts)
    _require_consistent(hits, filled, counts, needed=depth(metrics, counts))
    hits, counts, classes = hits[counted], counts[counted], classes[counted]
    mean = _mean_of_classes(classes) if average == "macro" else _mean
    values = {label: mean(metric.score(hits, counts)) for label, metric in labelled.items()}
    return RetrievalScores(values, queries=len(counts), left_out=len(counted) - len(counts))


def score_matches(
    true_labels: np.ndarray,
    matched_labels: np.ndarray,
    matched_distances: np.ndarray,
    distance_threshold: float,
    metrics: Sequence[ClassificationMetric],
) -> dict[str, float]:
    """Score decisions to accept the matches within a threshold and to reject the others.

    Args:
        true_labels: (q,) integer labels of the queries.
        matched_labels: (q,) integer labels that a matcher gave.
        matched_distances: (q,) distances of the matches; inf where a query has no neighbour, which is rejected at
            every threshold.
        distance_threshold: The largest distance that is accepted; inf accepts every match.
        metrics: The metrics, at least one.

    Returns:
        The score of each metric by its label.

    Raises:
        InvalidInputError: The arrays are empty or do not fit together, a distance or the threshold is NaN, or a metric
            has another task.
    """
    labelled = by_label(metrics, ClassificationMetric)
    right, distances = checked_matches(true_labels, matched_labels, matched_distances)
    if np.isnan(distance_threshold):
        raise InvalidInputError("distance_threshold is NaN; it is the largest distance that is accepted")
    accepted = (distances <= distance_threshold) & np.isfinite(distances)
    tp, fp, tn, fn = (
        np.asarray(np.count_nonzero(decision))
        for decision in (right & accepted, ~right & accepted, ~right & ~accepted, right & ~accepted)
    )
    return {label: float(metric.score(tp, fp, tn, fn)) for label, metric in labelled.items()}


def confusion(
    true_labels: np.ndarray, predicted_labels: np.ndarray, classes: Sequence[int] | np.ndarray, unknown: int = -1
) -> np.ndarray:
    """Count who was taken for whom.

    Args:
        true_labels: (q,) integer labels.
        predicted_labels: (q,) integer labels; `unknown` where the match was rejected.
        classes: (c,) distinct labels, in the order of rows and columns; every label that occurs is among them.
        unknown: The predicted label of rejected matches; it is no class.

    Returns:
        (c, c + 1) int64 counts; the row is the true class, the column the predicted one, the last column unknown.

    Raises:
        InvalidInputError: The lengths differ, a class is given twice, or a label is not among the classes.
    """
    truth = labels_of("true_labels", true_labels)
    predicted = labels_of("predicted_labels", predicted_labels)
    _require_lengths(true_labels=truth, predicted_labels=predicted)
    names = labels_of("classes", classes)
    if len(np.unique(names)) != len(names) or unknown in names:
        raise InvalidInputError(
            f"classes must be distinct and without the label of unknown ({unknown}): {names.tolist()}"
        )
    size = len(names)
    columns = np.append(names, unknown)
    rows = _positions("true_labels", truth, names)
    cells = rows * (size + 1) + _positions("predicted_labels", predicted, columns)
    return np.bincount(cells, minlength=size * (size + 1)).reshape(size, size + 1)


def checked_matches(
    true_labels: np.ndarray, matched_labels: np.ndarray, matched_distances: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Check matches, and say which are right.

    Returns:
        (q,) booleans, whether the match has the query's label, which a query without a neighbour never has; and
        (q,) float64 distances, finite or inf.

    Raises:
        InvalidInputError: The arrays are empty, of different lengths, labels are no integers, or a distance is NaN or
            minus infinity.
    """
    truth = labels_of("true_labels", true_labels)
    matched = labels_of("matched_labels", matched_labels)
    distances = np.asarray(matched_distances)
    if distances.ndim != 1 or distances.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"matched_distances have shape {distances.shape} and dtype {distances.dtype}; they are one number a query"
        )
    _require_lengths(true_labels=truth, matched_labels=matched, matched_distances=distances)
    if not len(truth):
        raise InvalidInputError("there are no queries: true_labels, matched_labels and matched_distances are empty")
    distances = distances.astype(np.float64)
    bad = np.flatnonzero(np.isnan(distances) | np.isneginf(distances))
    if bad.size:
        raise InvalidInputError(
            f"matched_distances hold {distances[bad[0]]} at position {bad[0]} ({bad.size} such values); a distance is "
            "a finite number, or inf where a query has no neighbour"
        )
    return (truth == matched) & np.isfinite(distances), distances


def labels_of(name: str, labels: Any) -> np.ndarray:
    """Return labels as (n,) int64.

    Raises:
        InvalidInputError: They have another shape, or are no integers of 64 bits.
    """
    values = np.asarray(labels)
    if values.ndim != 1:
        raise InvalidInputError(f"{name} have shape {values.shape}; they are one label each, of shape (n,)")
    if values.size == 0:
        return np.empty(0, dtype=np.int64)
    _require_integers(name, values)
    return values.astype(np.int64)


def _require_integers(name: str, labels: np.ndarray) -> None:
    if labels.dtype.kind not in "iu":
        raise InvalidInputError(f"{name} have dtype {labels.dtype}; labels are integers")
    if labels.dtype == np.uint64 and labels.size and labels.max() > np.iinfo(np.int64).max:
        raise InvalidInputError(f"{name} hold {labels.max()}, which is more than 64 signed bits can hold")


def by_label(metrics: Sequence[Metric], contract: type[Metric]) -> dict[str, Any]:
    """Return metrics by their labels, equal ones once.

    Raises:
        InvalidInputError: There is none, or one does not have this contract.
    """
    if not metrics:
        raise InvalidInputError("no metric is given; name at least one")
    for metric in metrics:
        if not isinstance(metric, contract):
            raise InvalidInputError(f"{metric!r} is no {contract.__name__}, which is what is scored here")
    return {metric.label: metric for metric in metrics}


def _relevant_counts(relevant: np.ndarray) -> np.ndarray:
    counts = labels_of("relevant", relevant)
    if np.any(counts < 0):
        raise InvalidInputError(
            f"relevant holds {counts.min()}; it is how many records of the gallery have the query's label"
        )
    return counts


def _scored(relevant: np.ndarray) -> np.ndarray:
    """Return (q,) booleans: which queries can be scored."""
    if not np.any(relevant):
        raise InvalidInputError(
            f"none of the {len(relevant)} queries has a record with its label in the gallery; there is nothing to score"
        )
    return relevant > 0


def _require_consistent(hits: np.ndarray, filled: np.ndarray, relevant: np.ndarray, *, needed: int) -> None:
    """Refuse neighbours that would give a wrong score without a sign of it."""
    found = np.count_nonzero(hits, axis=1)
    excess = np.flatnonzero(found > relevant)
    if excess.size:
        row = excess[0]
        raise InvalidInputError(
            f"query {row} has {found[row]} neighbours with its label, but relevant says that the gallery holds "
            f"{relevant[row]}; leave the query itself out of both or of neither"
        )
    # A full row without all the relevant records shows that the gallery holds more than was fetched.
    width = hits.shape[1]
    if width < needed and np.any(filled.all(axis=1) & (found < relevant)):
        raise InvalidInputError(
            f"{width} neighbours a query are given, but the metrics need {needed} or the whole gallery"
        )


def _require_lengths(**arrays: np.ndarray) -> None:
    if len({len(array) for array in arrays.values()}) > 1:
        listing = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise InvalidInputError(f"the lengths differ: {listing}; each is one a query")


def _positions(name: str, labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return where each label stands among the known ones."""
    missing = np.setdiff1d(labels, known)
    if missing.size:
        raise InvalidInputError(f"{name} hold labels that are not among the classes: {missing[:10].tolist()}")
    order = np.argsort(known)
    return order[np.searchsorted(known, labels, sorter=order)]


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values))


def _mean_of_classes(classes: np.ndarray) -> Any:
    _, member = np.unique(classes, return_inverse=True)
    sizes = np.bincount(member)
    return lambda values: _mean(np.bincount(member, weights=values) / sizes)
