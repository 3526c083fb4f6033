"""Scores of clusters, from embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from simplug.evaluation import evaluate_clustering
from simplug.kernel.errors import InvalidInputError


def blobs(count, spread, classes=6, dim=5):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count)
    return 10 * np.eye(classes, dim)[labels] + spread * rng.normal(size=(count, dim)), 3 * labels - 4


def test_classes_far_apart_are_found():
    embeddings, labels = blobs(120, 0.01, classes=5)
    assert evaluate_clustering(embeddings, labels) == pytest.approx({"ami": 1.0, "nmi": 1.0, "ari": 1.0})


def test_there_are_as_many_clusters_of_k_means_as_labels():
    embeddings, labels = blobs(150, 4.0)
    clusters = KMeans(6, n_init=1, random_state=5).fit_predict(embeddings.astype(np.float32))
    scores = evaluate_clustering(embeddings, labels, ["ami"], seed=5)
    assert scores == pytest.approx({"ami": adjusted_mutual_info_score(labels, clusters)})
    assert evaluate_clustering(embeddings, labels, ["ami"], seed=5) == scores


def test_intervals_draw_examples_and_leave_the_clusters():
    embeddings, labels = blobs(150, 4.0)
    scores = evaluate_clustering(embeddings, labels, ["nmi", "ari"])
    for label, (low, high) in scores.intervals(resamples=60).items():
        assert 0 < high - low < 0.4, label


def test_a_collapsed_model_scores_0_and_one_class_is_one_cluster():
    assert evaluate_clustering(np.ones((20, 3)), np.arange(20) % 4)["ami"] == pytest.approx(0, abs=1e-9)
    assert evaluate_clustering(np.random.default_rng(0).normal(size=(20, 3)), np.zeros(20, int))["nmi"] == 1.0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"embeddings": np.ones((0, 3)), "labels": []}, "there are no examples"),
        ({"embeddings": np.full((4, 3), np.nan)}, "embeddings[0] holds NaN"),
        ({"labels": [1, 2]}, "the lengths differ: embeddings 4, labels 2"),
        ({"metrics": ["eer"]}, "EqualErrorRate() is no ClusteringMetric"),
    ],
    ids=str,
)
def test_what_cannot_be_scored_is_refused(changes, text):
    with pytest.raises(InvalidInputError) as caught:
        evaluate_clustering(**{"embeddings": np.ones((4, 3)), "labels": [1, 1, 2, 2], **changes})
    assert text in str(caught.value)
