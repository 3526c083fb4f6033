"""Neighbours, matches and their scores, from the open state of an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplug.api import Matcher, Metric
from simplug.evaluation import calibration as calibrating
from simplug.evaluation import matches as matching
from simplug.evaluation import retrieval
from simplug.evaluation.calibration import Calibration, CutPoint
from simplug.index.filters import Filter
from simplug.index.neighbors import Neighbors
from simplug.index.state import State
from simplug.kernel.config import to_config
from simplug.kernel.errors import InvalidInputError, did_you_mean
from simplug.kernel.registry import registry_of

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Ids, distances and labels of neighbours, (q, k) each."""


def neighbors(state: State, queries: np.ndarray, k: int, where: Filter | None = None) -> Arrays:
    """Return the k nearest records of (q, d) queries, as the distance prepares them."""
    rows, distances = state.search(queries, k, where)
    if where is None and k <= len(state.engine):
        ids, labels = state.directory.ids_and_labels(rows)
        return ids, distances, labels
    filled = rows >= 0
    ids, labels = np.full_like(rows, -1), np.full_like(rows, -1)
    ids[filled], labels[filled] = state.directory.ids_and_labels(rows[filled])
    return ids, distances, labels


def matches(state: State, queries: np.ndarray, k: int, matcher: Matcher) -> tuple[np.ndarray, np.ndarray]:
    """Return the (q,) label and distance that a matcher gives each query."""
    prepared = state.recipe.distance.prepare(queries)
    condensed = state.condensations.of(state, matcher)
    if condensed is not None:
        labels, distances = condensed.neighbors(state, prepared, k)
    else:
        _, distances, labels = neighbors(state, prepared, k)
    return matcher.match(labels, distances.astype(np.float64))


def calibrate(
    labels: np.ndarray,
    matched_labels: np.ndarray,
    matched_distances: np.ndarray,
    metric: Any,
    targets: Mapping[str, Mapping[str, float]] | None,
    extra_metrics: Sequence[Any],
    k: int,
    matcher: Matcher,
) -> Calibration:
    """Find the cut points of some matches; metrics are names, tables or instances."""
    build = registry_of("metric").build
    return calibrating.calibrate(
        labels,
        matched_labels,
        matched_distances,
        metric=build(metric),
        targets=targets,
        extra_metrics=[build(one) for one in extra_metrics],
        k=k,
        matcher=to_config(matcher),
    )


def matcher_of(calibration: Calibration) -> Matcher:
    """Return the matcher that a calibration was made with."""
    matcher: Matcher = registry_of("matcher").build(calibration.matcher)
    return matcher


def cut_points(calibration: Calibration, names: Sequence[str] | None) -> dict[str, CutPoint]:
    """Return the cut points of these names, or all of them.

    Raises:
        InvalidInputError: The calibration has no such cut point.
    """
    known = dict(calibration.cut_points)
    for name in names or ():
        if name not in known:
            raise InvalidInputError(
                f"the calibration has no cut point '{name}'{did_you_mean(str(name), known)}; it has {', '.join(known)}"
            )
    return known if names is None else {name: known[name] for name in names}


def evaluate_retrieval(
    state: State,
    queries: np.ndarray,
    labels: np.ndarray,
    metrics: Sequence[Any],
    query_ids: np.ndarray | None,
    average: str,
) -> dict[str, float]:
    """Score the neighbours of queries, each of which is left out of its own where `query_ids` says who it is."""
    relevant = _counts(state.directory.records()[2], labels)
    if query_ids is not None:
        own_labels = state.directory.ids_and_labels(state.directory.rows_of(query_ids))[1]
        relevant = relevant - (own_labels == labels)
    depth = retrieval.depth(metrics, relevant)
    queries = state.recipe.distance.prepare(queries)
    if query_ids is None:
        found = Neighbors(*neighbors(state, queries, min(depth, len(state.directory))))
    else:
        found = _without(Neighbors(*neighbors(state, queries, min(depth + 1, len(state.directory)))), query_ids)
    return retrieval.score_retrieval(metrics, found.labels, found.filled, labels, relevant, average=average)


def evaluate_matches(
    labels: np.ndarray,
    matched_labels: np.ndarray,
    matched_distances: np.ndarray,
    points: Mapping[str, CutPoint],
    metrics: Sequence[Metric],
) -> dict[str, dict[str, float]]:
    """Score matches at each cut point."""
    return {
        name: matching.score_matches(labels, matched_labels, matched_distances, point.distance, metrics)  # type: ignore[arg-type]
        for name, point in points.items()
    }


def _without(found: Neighbors, ids: np.ndarray) -> Neighbors:
    """Leave one id out of each row; the last place goes where it was not found."""
    itself = found.ids == ids[:, None]
    missed = ~itself.any(axis=1)
    itself[missed, -1] = True
    shape = (len(ids), found.ids.shape[1] - 1)
    columns = (column[~itself].reshape(shape) for column in (found.ids, found.distances, found.labels))
    return Neighbors(*columns)


def _counts(gallery: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how many of the gallery's labels equal each of (q,) labels."""
    ordered = np.sort(gallery)
    return np.searchsorted(ordered, labels, side="right") - np.searchsorted(ordered, labels, side="left")
