"""Queries scored by metrics of several tasks at once, all of them or some alone."""

import numpy as np
import pytest

import simplug
from simplug.evaluation import (
    evaluate_clustering,
    evaluate_embeddings,
    evaluate_open_set,
    evaluate_retrieval,
    evaluate_verification,
)
from simplug.evaluation.answers import Answers, in_order, of_task, score_among

METRICS = [
    simplug.metrics.build(name) for name in ("eer", "map@r", "unknown_auroc", "ami", "precision@1", "effective_rank")
]
COSINE = simplug.distances.build("cosine")


def clouds(count, classes, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (2 * np.eye(6)[labels] + rng.normal(size=(count, 6))).astype("float32"), labels


@pytest.fixture(scope="module")
def answers():
    queries, labels = clouds(50, 5, 0)
    gallery, classes = clouds(40, 4, 1)
    with simplug.Index.create(None, dim=6, search="exact", store="memory") as index:
        index.add(gallery, labels=classes)
        matched, distances = index.matches(queries)
    retrieval = evaluate_retrieval(queries, labels, gallery, classes, metrics=of_task(METRICS, "retrieval"))
    return Answers(queries, labels, labels < 4, matched, distances, COSINE, [retrieval], METRICS)


def test_all_queries_are_scored_by_every_metric_in_the_order_of_the_metrics(answers):
    every = np.ones(50, dtype=bool)
    x, y = answers.embeddings, answers.labels
    expected = {
        **evaluate_verification(x, y, metrics=["eer"]),
        **evaluate_open_set(answers.matched_distances, y < 4, answers.right, ["unknown_auroc"]),
        **evaluate_clustering(x, y, ["ami"]),
        **evaluate_embeddings(x, y, ["effective_rank"]),
        **answers.by_query[0],
    }
    found = answers.values(every)
    assert list(found) == [metric.label for metric in METRICS]
    assert found == expected


def test_a_group_is_scored_by_its_own_queries_alone(answers):
    group = answers.labels < 2
    x, y = answers.embeddings[group], answers.labels[group]
    found = answers.values(group)
    assert found["eer"] == evaluate_verification(x, y, metrics=["eer"])["eer"]
    assert found["ami"] == evaluate_clustering(x, y, ["ami"])["ami"]
    hits = answers.right[group]
    assert found["precision@1"] == pytest.approx(hits.mean())


def test_what_cannot_be_scored_in_a_group_is_left_out(answers):
    # All known: no open set. One class: no negative pair and no clusters. Not in the gallery: no neighbour is right.
    assert "unknown_auroc" not in answers.values(answers.labels < 4)
    assert list(answers.values(answers.labels == 4)) == ["effective_rank"]
    assert list(answers.values(answers.labels == 2)) == ["map@r", "precision@1", "effective_rank"]


def test_a_single_query_has_only_scores_of_its_neighbours(answers):
    assert list(answers.values(np.arange(50) == 1)) == ["map@r", "precision@1"]


def test_classes_of_one_example_have_no_positive_pair():
    embeddings, labels = clouds(4, 4, 2)
    made = score_among(embeddings, labels, METRICS, distance=COSINE)
    assert [list(scores) for scores in made] == [["ami"], ["effective_rank"]]


def test_a_score_that_is_no_number_is_left_out():
    assert in_order([{"map@r": 0.5}, {"eer": float("nan"), "ami": 0.25}], METRICS) == {"map@r": 0.5, "ami": 0.25}


def test_a_query_without_a_match_is_not_right():
    none = Answers(
        np.eye(2, dtype="float32"), np.array([-1, 3]), np.array([False, True]), np.array([-1, 3]),
        np.array([np.inf, 0.5]), COSINE, [], METRICS
    )  # fmt: skip
    assert none.right.tolist() == [False, True]
