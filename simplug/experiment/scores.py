"""The evaluation stage: what a trained, indexed and calibrated model is worth on its test split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import attrs
import numpy as np

from simplug.api import Metric
from simplug.api.pair_counts import PairCounts
from simplug.evaluation.answers import in_order, of_task
from simplug.evaluation.matches import confusion
from simplug.evaluation.pairs import count_pairs
from simplug.evaluation.scores import QueryScores, Scores
from simplug.evaluation.verification import VerificationScores
from simplug.experiment.selection import Selection
from simplug.index.answering import answers
from simplug.index.index import Index
from simplug.index.neighbors import Neighbors
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.plugins import plugins

UNKNOWN = -1
"""The label of a query beyond the cut point."""

SHOWN_NEIGHBORS = 5

_DECISIONS = ("matching_accuracy", "unknown")
"""The scores of what a cut point decides, which every evaluation has."""


@attrs.frozen(eq=False)
class Evaluation:
    """Scores of a run on its test split.

    Attributes:
        groups: For all queries, and for groups of them apart: the number of queries, each metric that can be scored on
            them, the share of queries that are decided rightly (matching_accuracy: matched with their own label, or
            called unknown where the gallery has not got it) and of queries called unknown.
        intervals: For each group, the 95 % bootstrap interval of scores by their label; empty where none were wanted.
            Scores of clusters and of the space of the embeddings have none.
        per_class: For each label of the test split: the number of queries, and each metric of retrieval and of probes,
            matching accuracy and share of unknown over its queries.
        pairs: The distances of pairs within the test split, counted; None where it has no positive or no negative pair.
        embeddings: (q, d) float32, of the test split.
        distances: (q,) float64 distances of the matches, whatever the cut point; inf where a query has no neighbour.
        confusion: (c, c + 1) counts of true labels (rows) and matched labels; the last column is *unknown*.
        matched: (q,) the label matched to each query, -1 for unknown.
        neighbors: The nearest records of each query.
    """

    groups: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    per_class: Mapping[int, Mapping[str, float]]
    pairs: PairCounts | None
    embeddings: np.ndarray
    distances: np.ndarray
    confusion: np.ndarray
    matched: np.ndarray
    neighbors: Neighbors


def evaluate(
    index: Index,
    embeddings: np.ndarray,
    selection: Selection,
    metrics: Sequence[Metric],
    *,
    resamples: int = 0,
    seed: int = 0,
) -> Evaluation:
    """Score the test split of a run.

    Args:
        index: The gallery, calibrated.
        embeddings: (q, d) embeddings of the test split.
        selection: The examples of the run.
        metrics: Metrics of any task but classification.
        resamples: How many resamples the intervals are made of; 0 for no intervals.
        seed: Of the resamples, and of clusters.

    Raises:
        DataError: A metric has no query that it can score, or a probe no two classes to tell apart.
        InvalidInputError: The index is not calibrated, or no query has its class in the gallery.
    """
    selection.require_queries(metrics)
    labels = selection.test.labels
    matched: np.ndarray = index.match(embeddings, cutpoint="optimal", no_match_label=UNKNOWN)
    calibration = index.calibration
    if calibration is None:
        raise InvalidInputError("the index is not calibrated; call calibrate first")
    found = answers(
        index,
        embeddings,
        labels,
        metrics,
        known=np.isin(labels, selection.known),
        k=calibration.k,
        matcher=calibration.matcher,
        seed=seed,
    )
    decisions = _decisions(matched, labels, found.known)
    # Of many classes, the adjusted scores of a thousand resamples would take hours.
    clusters = {metric.label for metric in of_task(metrics, "clustering")}
    groups: dict[str, dict[str, float]] = {}
    intervals: dict[str, dict[str, tuple[float, float]]] = {}
    pairs = None
    for name, mask in selection.groups.items():
        parts = found.scores(mask)
        if mask.all():
            pairs = next((part.counts for part in parts if isinstance(part, VerificationScores)), None)
        decided = decisions.of(mask)
        groups[name] = {"queries": int(mask.sum()), **in_order(parts, metrics), **decided}
        if resamples:
            intervals[name] = _intervals([*parts, decided], groups[name], clusters, resamples, seed)
    plugins.hook.simplug_evaluated(scores=groups)
    return Evaluation(
        groups=groups,
        intervals=intervals,
        per_class=_per_class(found.by_query, decisions),
        pairs=pairs or _pairs(index, embeddings, labels),
        embeddings=embeddings,
        distances=found.matched_distances,
        confusion=confusion(labels, matched, selection.classes, unknown=UNKNOWN),
        matched=matched,
        neighbors=index.lookup(embeddings, k=SHOWN_NEIGHBORS),
    )


def _decisions(matched: np.ndarray, labels: np.ndarray, known: np.ndarray) -> QueryScores:
    """Return shares of queries as what they are: means of values of queries."""
    right = np.where(known, matched == labels, matched == UNKNOWN)
    values = (right.astype(np.float64), (matched == UNKNOWN).astype(np.float64))
    return QueryScores(dict(zip(_DECISIONS, values, strict=True)), labels, np.ones(len(labels), dtype=bool))


def _intervals(
    parts: Sequence[Scores], shown: Mapping[str, float], left_out: AbstractSet[str], resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Return the intervals of the scores that are shown, in their order, but of those that are left out."""
    found: dict[str, tuple[float, float]] = {}
    for part in parts:
        if part.has_intervals and not left_out >= part.keys():
            found |= part.intervals(resamples=resamples, seed=seed)
    return {label: found[label] for label in shown if label in found and all(map(math.isfinite, found[label]))}


def _per_class(by_query: Sequence[QueryScores], decisions: QueryScores) -> dict[int, dict[str, float]]:
    scored = [scores.per_class() for scores in by_query]
    names, sizes = np.unique(decisions.classes, return_counts=True)
    counts = dict(zip(names.tolist(), sizes.tolist(), strict=True))
    return {
        label: {"queries": counts[label], **_merged(scores.get(label, {}) for scores in scored), **decided}
        for label, decided in decisions.per_class().items()
    }


def _merged(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    return {name: value for part in parts for name, value in part.items()}


def _pairs(index: Index, embeddings: np.ndarray, labels: np.ndarray) -> PairCounts | None:
    sizes = np.unique(labels, return_counts=True)[1]
    if len(sizes) < 2 or sizes.max() < 2:
        return None
    return count_pairs(embeddings, labels, distance=index.distance)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the scores and the confusion matrix as plain values."""
    return {
        "groups": evaluation.groups,
        "intervals": evaluation.intervals,
        "per_class": {str(label): scores for label, scores in evaluation.per_class.items()},
        "confusion": evaluation.confusion.tolist(),
    }


def score_table(
    groups: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Mapping[str, Sequence[float]]]
) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table of scores, as text: one column a group of queries.

    A score is followed by its interval, if it has one; one that a group has not got is a dash.
    """
    names = sorted(dict.fromkeys(name for scores in groups.values() for name in scores), key=_DECISIONS.__contains__)
    rows = [
        [name.replace("_", " "), *(_cell(scores, intervals.get(group, {}), name) for group, scores in groups.items())]
        for name in names
    ]
    return ["queries of", *(f"{group} classes" for group in groups)], rows


def _cell(scores: Mapping[str, float], intervals: Mapping[str, Sequence[float]], name: str) -> str:
    if name not in scores:
        return "-"
    if name == "queries":
        return str(scores[name])
    ends = f" ({intervals[name][0]:.2f}-{intervals[name][1]:.2f})" if name in intervals else ""
    return f"{scores[name]:.3f}{ends}"
