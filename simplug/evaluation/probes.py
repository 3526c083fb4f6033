"""Scores of plain classifiers that learn from frozen embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplug.api.distance import Distance
from simplug.api.metric import ProbeMetric
from simplug.evaluation.checking import built_metrics, labelled
from simplug.evaluation.scores import QueryScores, checked_average
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.registry import registry_of

PROBES = ("linear_probe", "knn_probe")
"""The probes of whoever names none."""


def evaluate_probe(
    queries: Any,
    labels: Any,
    gallery: Any,
    gallery_labels: Any,
    *,
    metrics: Sequence[Any] = PROBES,
    distance: str | Mapping[str, Any] | Distance = "cosine",
    average: str = "micro",
) -> QueryScores:
    """Score plain classifiers that learn from a gallery and classify queries.

    A query whose label the gallery does not have is left out of the scores, and counted: no classifier could be right.

    Args:
        queries: (q, d) finite numbers, none of them a row of the gallery.
        labels: (q,) their integer labels.
        gallery: (n, d) finite numbers, which the classifiers learn from.
        gallery_labels: (n,) their integer labels.
        metrics: Probes, by name such as ``"linear_probe"``, as tables or instances.
        distance: How far two embeddings are apart, for classifiers that ask, such as ``knn_probe``.
        average: ``"micro"``, over queries, or ``"macro"``, over classes.

    Returns:
        The score of each metric by its label, with the values of the queries.

    Raises:
        InvalidInputError: The arrays do not fit together, hold NaN or infinity or what the distance is not defined
            for, or are empty; the gallery has a single label, or that of no query; or a metric or the average is none.
    """
    built = built_metrics(metrics, ProbeMetric)
    measure: Distance = registry_of("distance").build(distance)
    vectors, classes = labelled("queries", queries, "labels", labels, measure)
    others, other_classes = labelled("gallery", gallery, "gallery_labels", gallery_labels, measure)
    if others.shape[1] != vectors.shape[1]:
        raise InvalidInputError(
            f"queries have dimension {vectors.shape[1]} and the gallery {others.shape[1]}; both are the same"
        )
    return score_probes(built, vectors, classes, others, other_classes, measure, average)


def score_probes(
    metrics: Mapping[str, ProbeMetric],
    queries: np.ndarray,
    labels: np.ndarray,
    gallery: np.ndarray,
    gallery_labels: np.ndarray,
    distance: Distance,
    average: str = "micro",
) -> QueryScores:
    """Score classifiers on arrays that were checked one by one; see :func:`evaluate_probe`."""
    checked_average(average)
    names = np.unique(gallery_labels)
    if len(names) < 2:
        have = f"the label {names[0]} alone" if len(names) else "no label"
        raise InvalidInputError(f"the gallery has {have}; a probe learns to tell at least two classes apart")
    scored = np.isin(labels, names)
    if not scored.any():
        raise InvalidInputError(
            f"none of the {len(labels)} queries has a record with its label in the gallery; there is nothing to score"
        )
    asked, classes = queries[scored], labels[scored]
    values = {
        label: metric.score(gallery, gallery_labels, asked, classes, distance) for label, metric in metrics.items()
    }
    return QueryScores(values, classes, scored, average)
