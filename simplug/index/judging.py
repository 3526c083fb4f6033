"""Neighbours, matches and their scores, from the open state of an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from simplug.api import Matcher, Metric, ProbeMetric, VerificationMetric
from simplug.evaluation import calibration as calibrating
from simplug.evaluation import matches as matching
from simplug.evaluation.calibration import OPTIMAL, Calibration, CutPoint
from simplug.evaluation.open_set import evaluate_open_set as score_open_set
from simplug.evaluation.open_set import require_known_and_unknown
from simplug.evaluation.pair_blocks import Examples
from simplug.evaluation.pair_calibration import PAIR_METRIC
from simplug.evaluation.pairs import require_both_kinds
from simplug.evaluation.probes import score_probes
from simplug.evaluation.ranked import Block, counts_of, score_in_blocks
from simplug.evaluation.scores import QueryScores, RetrievalScores, Scores
from simplug.evaluation.verification import VerificationScores, score_pairs
from simplug.index.filters import Filter
from simplug.index.neighbors import Neighbors
from simplug.index.state import State
from simplug.index.validation import UNLABELED
from simplug.kernel.config import to_config
from simplug.kernel.errors import InvalidInputError, did_you_mean
from simplug.kernel.registry import registry_of

_REFERENCES = 8192
"""How many records are read together."""

_RANKED = 1 << 21
"""How many neighbours of queries that are evaluated are in memory at once."""

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Three columns, such as ids, distances and labels of neighbours, (q, k) each."""


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


def require_room_for_pairs(calibration: Calibration | None, targets: Mapping[str, Any]) -> None:
    """Refuse cut points of pairs beside those of another matcher than the nearest, or of the same name.

    Raises:
        InvalidInputError: There are such cut points.
    """
    if calibration is None or calibration.metric == PAIR_METRIC:
        return
    if calibration.matcher["name"] != "nearest":
        raise InvalidInputError(
            f"the index is calibrated for the matcher '{calibration.matcher['name']}', whose distances are not those "
            "of pairs; calibrate with matcher='nearest' before"
        )
    for name in targets:
        point = calibration.cut_points.get(name)
        if point is not None and name != OPTIMAL and point.level is None:
            raise InvalidInputError(f"the calibration has a cut point '{name}' of matches; choose another name")


def with_pairs(calibration: Calibration, pairs: Calibration) -> Calibration:
    """Return the cut points of matches with those of pairs beside them, in the place of those of earlier pairs."""
    if calibration.metric == PAIR_METRIC:
        return pairs
    kept = {name: point for name, point in calibration.cut_points.items() if point.level is None}
    added = {name: point for name, point in pairs.cut_points.items() if name != OPTIMAL}
    return attrs.evolve(calibration, cut_points={**kept, **added})


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
) -> RetrievalScores:
    """Score the neighbours of queries, each of which is left out of its own where `query_ids` says who it is."""
    relevant = counts_of(state.directory.records()[2], labels)
    if query_ids is not None:
        own_labels = state.directory.ids_and_labels(state.directory.rows_of(query_ids))[1]
        relevant = relevant - (own_labels == labels)
    queries = state.recipe.distance.prepare(queries)
    count, more = len(state.directory), int(query_ids is not None)

    def hits(block: Block) -> np.ndarray:
        k = min(block.depth + more, count)
        found = Neighbors(*neighbors(state, queries[block.which], k))
        if query_ids is not None:
            found = _without(found, query_ids[block.which])
        relevant_ones: np.ndarray = found.filled & (found.labels == labels[block.which][:, None])
        return relevant_ones

    def at_once(depth: int) -> int:
        return max(1, _RANKED // min(depth + more, count))

    return score_in_blocks(metrics, labels, relevant, hits, at_once, average=average)


def evaluate_verification(
    state: State,
    queries: np.ndarray,
    labels: np.ndarray,
    metrics: Mapping[str, VerificationMetric],
    query_ids: np.ndarray | None,
) -> VerificationScores:
    """Score the pairs of queries and labelled records, none with itself where `query_ids` says who a query is."""
    rows, ids, classes = _labelled_records(state)
    own = None
    if query_ids is not None:
        order = np.argsort(ids)
        places = np.minimum(np.searchsorted(ids, query_ids, sorter=order), len(ids) - 1)
        own = np.where(ids[order][places] == query_ids, classes[order][places], UNLABELED) if len(ids) else None
    require_both_kinds(labels, classes, own)

    def blocks() -> Iterator[Examples]:
        for start in range(0, len(rows), _REFERENCES):
            part = slice(start, start + _REFERENCES)
            yield Examples(state.embeddings(rows[part]), classes[part], ids=ids[part])

    return score_pairs(metrics, state.recipe.distance, Examples(queries, labels, ids=query_ids), blocks(), len(rows))


def evaluate_probe(
    state: State, queries: np.ndarray, labels: np.ndarray, metrics: Mapping[str, ProbeMetric], average: str
) -> QueryScores:
    """Score classifiers that learn from all records with a label."""
    rows, _, classes = _labelled_records(state)
    return score_probes(metrics, queries, labels, state.embeddings(rows), classes, state.recipe.distance, average)


def evaluate_open_set(
    state: State, queries: np.ndarray, labels: np.ndarray, metrics: Sequence[Any], k: int, matcher: Matcher
) -> Scores:
    """Score how well the distance of the match tells queries of labels that a record has from others."""
    known = np.isin(labels, state.directory.records()[2])
    require_known_and_unknown(known)
    matched, distances = matches(state, queries, k, matcher)
    return score_open_set(distances, known, (matched == labels) & np.isfinite(distances), metrics)


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


def _labelled_records(state: State) -> Arrays:
    """Return rows, ids and labels of the records that have a label and can be read."""
    rows, ids, classes = state.directory.records()
    kept = (classes != UNLABELED) & ~np.isin(rows, list(state.damaged))
    return rows[kept], ids[kept], classes[kept]


def _without(found: Neighbors, ids: np.ndarray) -> Neighbors:
    """Leave one id out of each row; the last place goes where it was not found."""
    itself = found.ids == ids[:, None]
    missed = ~itself.any(axis=1)
    itself[missed, -1] = True
    shape = (len(ids), found.ids.shape[1] - 1)
    columns = (column[~itself].reshape(shape) for column in (found.ids, found.distances, found.labels))
    return Neighbors(*columns)
