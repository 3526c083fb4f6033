"""Scores of probes, from embeddings."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.evaluation import QueryScores, evaluate_probe
from simplug.kernel.errors import InvalidInputError


def clouds(count, seed, classes=4, dim=6):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (2 * np.eye(classes, dim)[labels] + rng.normal(size=(count, dim))).astype(np.float32), labels


GALLERY, QUERIES = clouds(60, 0), clouds(200, 1)


def test_the_scores_are_means_of_what_the_metrics_say_of_each_query():
    scores = evaluate_probe(*QUERIES, *GALLERY, metrics=["linear_probe", {"name": "knn_probe", "k": 3}])
    assert isinstance(scores, QueryScores)
    assert list(scores) == ["linear_probe", "knn_probe(k=3)"]
    probe = simplug.metrics.build("linear_probe")
    values = probe.score(*GALLERY, *QUERIES, simplug.distances.build("cosine"))
    np.testing.assert_array_equal(scores.values_by_query["linear_probe"], values)
    assert scores["linear_probe"] == values.mean()
    assert scores.per_class()[2]["linear_probe"] == values[QUERIES[1] == 2].mean()
    for label, (low, high) in scores.intervals().items():
        assert low < scores[label] < high


def test_both_probes_are_the_default():
    assert list(evaluate_probe(*QUERIES, *GALLERY)) == ["linear_probe", "knn_probe"]


def test_a_query_of_a_class_that_the_gallery_has_not_is_left_out_and_counted():
    labels = np.where(np.arange(200) < 30, 99, QUERIES[1])
    scores = evaluate_probe(QUERIES[0], labels, *GALLERY)
    assert (scores.queries, scores.left_out) == (170, 30)
    assert scores == evaluate_probe(QUERIES[0][30:], labels[30:], *GALLERY)


def test_the_distance_is_that_of_the_neighbours_alone():
    long = np.random.default_rng(3).uniform(0.01, 100, size=(60, 1)).astype(np.float32)
    found = {
        name: evaluate_probe(*QUERIES, GALLERY[0] * long, GALLERY[1], distance=name) for name in ("cosine", "euclidean")
    }
    assert found["cosine"]["linear_probe"] == found["euclidean"]["linear_probe"]
    assert found["cosine"]["knn_probe"] > found["euclidean"]["knn_probe"] + 0.1


def test_the_macro_average_counts_each_class_as_much():
    scores = evaluate_probe(QUERIES[0][:150], QUERIES[1][:150], *GALLERY, average="macro")
    per_class = [values["knn_probe"] for values in scores.per_class().values()]
    assert scores["knn_probe"] == pytest.approx(np.mean(per_class))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"gallery_labels": np.zeros(60, int)},
            "the gallery has the label 0 alone; a probe learns to tell at least two",
        ),
        ({"labels": np.full(200, 9)}, "none of the 200 queries has a record with its label in the gallery"),
        ({"gallery": np.empty((0, 6)), "gallery_labels": []}, "gallery is empty"),
        ({"gallery": np.ones((60, 5))}, "queries have dimension 6 and the gallery 5"),
        ({"gallery_labels": np.arange(59)}, "the lengths differ: gallery 60, gallery_labels 59"),
        ({"queries": np.full((200, 6), np.nan)}, "queries[0] holds NaN"),
        ({"metrics": ["recall@1"]}, "is no ProbeMetric"),
        ({"metrics": []}, "no metric is given"),
        ({"average": "mean"}, "average is 'mean'"),
    ],
    ids=str,
)
def test_what_cannot_be_scored_is_refused(changes, text):
    given = {"queries": QUERIES[0], "labels": QUERIES[1], "gallery": GALLERY[0], "gallery_labels": GALLERY[1]}
    with pytest.raises(InvalidInputError) as caught:
        evaluate_probe(**{**given, **changes})
    assert text in str(caught.value)
