"""Queries scored by metrics of several tasks at once: all of them, or some alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from simplug.api.distance import Distance
from simplug.api.metric import Metric
from simplug.evaluation.clustering import evaluate_clustering
from simplug.evaluation.embeddings import evaluate_embeddings
from simplug.evaluation.open_set import evaluate_open_set
from simplug.evaluation.scores import QueryScores, Scores
from simplug.evaluation.verification import evaluate_verification


def of_task(metrics: Sequence[Metric], task: str) -> list[Metric]:
    """Return the metrics that score this task."""
    return [metric for metric in metrics if metric.task == task]


def score_among(
    embeddings: np.ndarray, labels: np.ndarray, metrics: Sequence[Metric], *, distance: Distance, seed: int = 0
) -> list[Scores]:
    """Score examples among themselves: pairs of them, clusters of them, the space they fill.

    What cannot be scored is left out: verification without a positive and a negative pair, clusters of a single class,
    and all of it for fewer than two examples.

    Args:
        embeddings: (n, d) float32.
        labels: (n,) int64.
        metrics: Those of verification, clustering and training are scored, others passed over.
        distance: How far two examples are apart.
        seed: Of the clusters.

    Returns:
        The scores of each task.
    """
    sizes = np.unique(labels, return_counts=True)[1]
    made: list[Scores] = []
    if len(labels) < 2:
        return made
    verification = of_task(metrics, "verification")
    if verification and len(sizes) > 1 and sizes.max() > 1:
        made.append(evaluate_verification(embeddings, labels, metrics=verification, distance=distance))
    clustering = of_task(metrics, "clustering")
    if clustering and len(sizes) > 1:
        made.append(evaluate_clustering(embeddings, labels, clustering, seed=seed))
    training = of_task(metrics, "training")
    if training:
        made.append(evaluate_embeddings(embeddings, labels, training, distance))
    return made


@attrs.frozen(eq=False)
class Answers:
    """What a gallery answered to queries whose labels are known, from which scores of any task are made.

    Attributes:
        embeddings: (q, d) float32 embeddings of the queries.
        labels: (q,) int64 labels of the queries.
        known: (q,) booleans: whether the gallery holds the query's class.
        matched_labels: (q,) int64 labels of the matches, whatever their distance.
        matched_distances: (q,) float64 distances of the matches; inf where there is none.
        distance: How far two examples are apart.
        by_query: The scores of metrics of retrieval and probes, as far as they were wanted.
        metrics: The metrics of all tasks.
        seed: Of the clusters.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    known: np.ndarray
    matched_labels: np.ndarray
    matched_distances: np.ndarray
    distance: Distance
    by_query: Sequence[QueryScores]
    metrics: Sequence[Metric]
    seed: int = 0

    @property
    def right(self) -> np.ndarray:
        """(q,) booleans: whether the match has the query's label."""
        right: np.ndarray = (self.matched_labels == self.labels) & np.isfinite(self.matched_distances)
        return right

    def scores(self, queries: np.ndarray) -> list[Scores]:
        """Return the scores of some queries, by task.

        What cannot be scored is left out: retrieval and probes where the gallery holds the class of none of these
        queries, open sets where it holds those of all or of none, and what :func:`score_among` leaves out.

        Args:
            queries: (q,) booleans: which ones.
        """
        made: list[Scores] = [scores.of(queries) for scores in self.by_query if scores.scored[queries].any()]
        made += score_among(
            self.embeddings[queries], self.labels[queries], self.metrics, distance=self.distance, seed=self.seed
        )
        open_set, known = of_task(self.metrics, "open_set"), self.known[queries]
        if open_set and known.any() and not known.all():
            made.append(evaluate_open_set(self.matched_distances[queries], known, self.right[queries], open_set))
        return made

    def values(self, queries: np.ndarray) -> dict[str, float]:
        """Return the scores of some queries by the label of their metric, in the order of the metrics."""
        return in_order(self.scores(queries), self.metrics)


def in_order(scores: Sequence[Mapping[str, float]], metrics: Sequence[Metric]) -> dict[str, float]:
    """Return scores of several tasks as one dict, in the order of the metrics, without those that are no number."""
    found = {label: value for part in scores for label, value in part.items() if math.isfinite(value)}
    return {metric.label: found[metric.label] for metric in metrics if metric.label in found}
