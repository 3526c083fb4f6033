"""Numbers about the space of embeddings, from arrays."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.evaluation import evaluate_embeddings
from simplug.kernel.errors import InvalidInputError

ALL = [
    "mean_positive_distance",
    "min_positive_distance",
    "max_positive_distance",
    "mean_negative_distance",
    "min_negative_distance",
    "max_negative_distance",
    "embedding_spread",
    "effective_rank",
]


def test_distances_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(50, 6)), rng.integers(0, 4, 50)
    distances = simplug.distances.build("euclidean").numpy(embeddings, embeddings)
    above = np.triu_indices(50, 1)
    same = (labels[:, None] == labels)[above]
    positive, negative = distances[above][same], distances[above][~same]
    scores = evaluate_embeddings(embeddings, labels, ALL, "euclidean")
    expected = [f(part) for part in (positive, negative) for f in (np.mean, np.min, np.max)]
    assert list(scores) == ALL
    assert list(scores.values())[:6] == pytest.approx(expected)
    assert 0 < scores["embedding_spread"] <= 1 < scores["effective_rank"] <= 6


def test_without_a_positive_pair_its_distances_are_0():
    scores = evaluate_embeddings(np.eye(4), [1, 2, 3, 4], ALL)
    assert [scores[label] for label in ALL[:3]] == [0.0, 0.0, 0.0]
    assert scores["mean_negative_distance"] == 1.0


def test_they_have_no_intervals():
    with pytest.raises(InvalidInputError, match="do not keep what they were made of"):
        evaluate_embeddings(np.eye(4), [1, 1, 2, 2]).intervals()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"embeddings": np.ones((1, 3)), "labels": [1]}, "there are 1 examples; a pair needs two"),
        ({"embeddings": np.zeros((4, 3))}, "embeddings[0] is zero, which has no direction"),
        ({"labels": [1, 2]}, "the lengths differ"),
        ({"metrics": ["nmi"]}, "is no TrainingMetric"),
    ],
    ids=str,
)
def test_what_has_no_space_is_refused(changes, text):
    with pytest.raises(InvalidInputError) as caught:
        evaluate_embeddings(**{"embeddings": np.eye(4), "labels": [1, 1, 2, 2], **changes})
    assert text in str(caught.value)
