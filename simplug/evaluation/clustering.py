"""Scores of clusters that k-means finds among embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplug.api.metric import ClusteringMetric
from simplug.evaluation.checking import built_metrics, labels_of, numbers_of, require_lengths
from simplug.evaluation.intervals import Sample
from simplug.evaluation.scores import Scores
from simplug.kernel.errors import InvalidInputError


def evaluate_clustering(
    embeddings: Any, labels: Any, metrics: Sequence[Any] = ("ami", "nmi", "ari"), seed: int = 0
) -> Scores:
    """Score how well clusters that are found without the labels agree with them.

    There are as many clusters as labels, found by scikit-learn's k-means with k-means++ from one start: the protocol of
    Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016, arXiv:1511.06452. It goes by
    the Euclidean distance of the embeddings as they are, so embeddings that are compared by cosine ought to have norm
    1. Where fewer of them are distinct than there are labels, there are fewer clusters. Intervals draw examples and
    leave the clusters as they are.

    Args:
        embeddings: (n, d) finite numbers.
        labels: (n,) integer labels.
        metrics: Clustering metrics, by name such as ``"ami"``, as tables or instances.
        seed: Of k-means.

    Returns:
        The score of each metric by its label, with intervals on request. With one label alone there is one cluster,
        which is perfect.

    Raises:
        InvalidInputError: The arrays are empty, unusable or do not fit together, or a metric has another task.
    """
    built = built_metrics(metrics, ClusteringMetric)
    vectors, classes = numbers_of("embeddings", embeddings), labels_of("labels", labels)
    require_lengths(embeddings=vectors, labels=classes)
    if not len(classes):
        raise InvalidInputError("there are no examples: embeddings and labels are empty")
    clusters = _clusters(vectors, len(np.unique(classes)), seed)

    def of_draws(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        drawn = [np.repeat(np.arange(len(weight)), weight.astype(np.int64)) for weight in weights]
        return {
            label: np.array([metric.score(classes[draw], clusters[draw]) for draw in drawn])
            for label, metric in built.items()
        }

    return Scores(
        {label: metric.score(classes, clusters) for label, metric in built.items()}, Sample(len(classes), of_draws)
    )


def _clusters(embeddings: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Fewer distinct embeddings than clusters: what is to be seen in the score is no reason to warn.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters: np.ndarray = KMeans(count, n_init=1, random_state=seed).fit_predict(embeddings)
    return clusters
