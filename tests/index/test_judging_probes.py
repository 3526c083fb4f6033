"""An index scores plain classifiers that learn from its records."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.evaluation import evaluate_probe
from simplug.kernel.errors import InvalidInputError


def clouds(count, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    return (2 * np.eye(4, 6)[labels] + rng.normal(size=(count, 6))).astype(np.float32), labels


GALLERY, QUERIES = clouds(60, 0), clouds(90, 1)


@pytest.fixture(params=["cosine", "euclidean"])
def index(request):
    with simplug.Index.create(None, dim=6, distance=request.param, search="exact", store="memory") as opened:
        yield opened


def test_they_learn_from_the_records_with_a_label(index):
    index.add(GALLERY[0], labels=GALLERY[1])
    index.add(GALLERY[0][:20] + 3)  # without labels
    scores = index.evaluate_probe(*QUERIES)
    assert scores == evaluate_probe(*QUERIES, *GALLERY, distance=index.distance)
    assert scores.average == "micro"
    assert index.evaluate_probe(*QUERIES, ["knn_probe"], average="macro").average == "macro"


def test_a_record_that_was_removed_is_forgotten(index):
    ids = index.add(GALLERY[0], labels=GALLERY[1])
    index.remove(ids[40:])
    expected = evaluate_probe(*QUERIES, GALLERY[0][:40], GALLERY[1][:40], distance=index.distance)
    assert index.evaluate_probe(*QUERIES) == expected


@pytest.mark.parametrize(
    ("labels", "text"),
    [(None, "the gallery has no label"), (np.full(60, 7), "the gallery has the label 7 alone")],
    ids=["none", "one"],
)
def test_records_of_fewer_than_two_classes_are_refused(index, labels, text):
    index.add(GALLERY[0], labels=labels)
    with pytest.raises(InvalidInputError, match=text):
        index.evaluate_probe(*QUERIES)


def test_an_empty_index_and_metrics_of_another_task_are_refused(index):
    with pytest.raises(InvalidInputError, match="the gallery has no label"):
        index.evaluate_probe(*QUERIES)
    with pytest.raises(InvalidInputError, match="is no ProbeMetric"):
        index.evaluate_probe(*QUERIES, ["ami"])
