"""Scores of matches: decisions at a threshold, and who was taken for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simplug.api.metric import ClassificationMetric
from simplug.evaluation.checking import by_label, labels_of, require_lengths
from simplug.kernel.errors import InvalidInputError


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
    require_lengths(true_labels=truth, predicted_labels=predicted)
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
    distances = checked_distances("matched_distances", matched_distances)
    require_lengths(true_labels=truth, matched_labels=matched, matched_distances=distances)
    if not len(truth):
        raise InvalidInputError("there are no queries: true_labels, matched_labels and matched_distances are empty")
    return (truth == matched) & np.isfinite(distances), distances


def checked_distances(name: str, given: Any) -> np.ndarray:
    """Return distances of matches as (q,) float64, finite or inf.

    Raises:
        InvalidInputError: They are no numbers of shape (q,), or one is NaN or minus infinity.
    """
    distances = np.asarray(given)
    if distances.ndim != 1 or distances.dtype.kind not in "fiu":
        raise InvalidInputError(
            f"{name} have shape {distances.shape} and dtype {distances.dtype}; they are one number a query"
        )
    distances = distances.astype(np.float64)
    bad = np.flatnonzero(np.isnan(distances) | np.isneginf(distances))
    if bad.size:
        raise InvalidInputError(
            f"{name} hold {distances[bad[0]]} at position {bad[0]} ({bad.size} such values); a distance is a finite "
            "number, or inf where a query has no neighbour"
        )
    return distances


def _positions(name: str, labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return where each label stands among the known ones."""
    missing = np.setdiff1d(labels, known)
    if missing.size:
        raise InvalidInputError(f"{name} hold labels that are not among the classes: {missing[:10].tolist()}")
    order = np.argsort(known)
    return order[np.searchsorted(known, labels, sorter=order)]
