"""The evaluation stage: what a trained, indexed and calibrated model is worth on its test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from simplug.api import Metric
from simplug.api.pair_counts import PairCounts
from simplug.evaluation.matches import confusion
from simplug.experiment.selection import Selection
from simplug.index.index import Index
from simplug.index.neighbors import Neighbors
from simplug.kernel.plugins import plugins

UNKNOWN = -1
"""The label of a query beyond the cut point."""

SHOWN_NEIGHBORS = 5


@attrs.frozen(eq=False)
class Evaluation:
    """Scores of a run on its test split.

    Attributes:
        groups: For all queries, and for seen and unseen classes apart: the number of queries, each retrieval metric,
            the share of queries matched with their own label (matching_accuracy) and of queries called unknown.
        intervals: For each group, the 95 % bootstrap interval of scores by their label; empty where none were wanted.
        per_class: For each label of the test split: the number of queries, and each retrieval metric, matching
            accuracy and share of unknown over its queries.
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


def evaluate(index: Index, embeddings: np.ndarray, selection: Selection, metrics: Sequence[Metric]) -> Evaluation:
    """Score the test split of a run.

    Args:
        index: The gallery, calibrated.
        embeddings: (q, d) embeddings of the test split.
        selection: The examples of the run.
        metrics: Retrieval metrics.
    """
    labels = selection.test.labels
    matched = index.match(embeddings, cutpoint="optimal", no_match_label=UNKNOWN)
    groups: dict[str, dict[str, float]] = {}
    for name, mask in selection.groups.items():
        groups[name] = {
            "queries": int(mask.sum()),
            **index.evaluate_retrieval(embeddings[mask], labels[mask], metrics),
            "matching_accuracy": float(np.mean(matched[mask] == labels[mask])),
            "unknown": float(np.mean(matched[mask] == UNKNOWN)),
        }
    plugins.hook.simplug_evaluated(scores=groups)
    neighbors = index.lookup(embeddings, k=SHOWN_NEIGHBORS)
    per_class: dict[int, dict[str, float]] = {}
    for label in np.unique(labels).tolist():
        mask = labels == label
        per_class[label] = {
            "queries": int(mask.sum()),
            **index.evaluate_retrieval(embeddings[mask], labels[mask], metrics),
            "matching_accuracy": float(np.mean(matched[mask] == label)),
            "unknown": float(np.mean(matched[mask] == UNKNOWN)),
        }
    return Evaluation(
        groups=groups,
        intervals={},
        per_class=per_class,
        pairs=None,
        embeddings=embeddings,
        distances=neighbors.distances[:, 0].astype(np.float64),
        confusion=confusion(labels, matched, selection.classes, unknown=UNKNOWN),
        matched=matched,
        neighbors=neighbors,
    )


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the scores and the confusion matrix as plain values."""
    return {"groups": evaluation.groups, "confusion": evaluation.confusion.tolist()}


def score_table(groups: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table of scores, as text: one row a group of queries."""
    head = ["queries of", *(name.replace("_", " ") for name in next(iter(groups.values())))]
    rows = [
        [group, *(str(value) if name == "queries" else f"{value:.3f}" for name, value in scores.items())]
        for group, scores in groups.items()
    ]
    return head, rows
