"""Matchers against loops, and where they depart from TensorFlow Similarity."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import simplug

INF = np.inf


def majority(labels, distances):
    """Vote in plain Python: a label and the mean distance of its voters."""
    votes = [(label, distance) for label, distance in zip(labels, distances, strict=True) if distance < INF]
    if not votes:
        return None, INF
    counted = Counter(label for label, _ in votes)
    most = max(counted.values())
    winner = next(label for label, _ in votes if counted[label] == most)
    mine = [distance for label, distance in votes if label == winner]
    return winner, sum(mine) / len(mine)


def neighbours(seed, queries=300, k=7):
    """Return random neighbours with few labels, many ties, equal distances and unfilled places."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([-5, 0, 3, 2**40], (queries, k))
    distances = np.sort(rng.integers(0, 6, (queries, k)) / 4, axis=1).astype(np.float32)
    distances[np.arange(k) >= rng.integers(0, k + 1, queries)[:, None]] = INF
    return np.where(np.isfinite(distances), labels, -1), distances


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_majority_vote_equals_a_loop_over_queries(k):
    labels, distances = neighbours(seed=k, k=k)
    matched, mean = simplug.matchers.build("majority_vote").match(labels, distances)
    assert matched.dtype == np.int64
    assert mean.dtype == np.float64
    for i in range(len(labels)):
        label, distance = majority(labels[i].tolist(), distances[i].tolist())
        assert mean[i] == pytest.approx(distance)
        assert label is None or matched[i] == label


def test_nearest_takes_the_first_place():
    labels, distances = neighbours(seed=0)
    matched, first = simplug.matchers.build("nearest").match(labels, distances)
    assert matched.tolist() == labels[:, 0].tolist()
    assert first.dtype == np.float64
    assert first.tolist() == distances[:, 0].tolist()
    assert matched.dtype == np.int64


def test_with_one_neighbour_the_matchers_agree():
    labels, distances = neighbours(seed=2, k=1)
    by_vote = simplug.matchers.build("majority_vote").match(labels, distances)
    by_nearest = simplug.matchers.build("nearest").match(labels, distances)
    assert by_vote[0].tolist() == by_nearest[0].tolist()
    assert by_vote[1].tolist() == by_nearest[1].tolist()


def test_a_tie_goes_to_the_label_with_the_nearest_neighbour():
    matched, distance = simplug.matchers.build("majority_vote").match(
        np.array([[9, 2, 2, 9, 4]]), np.array([[0.1, 0.2, 0.3, 0.5, 0.6]])
    )
    assert matched.tolist() == [9]
    assert distance == pytest.approx([0.3])


def test_places_that_no_neighbour_fills_do_not_vote():
    matched, distance = simplug.matchers.build("majority_vote").match(
        np.array([[7, -1, -1, -1], [-1, -1, -1, -1]]), np.array([[0.5, INF, INF, INF], [INF, INF, INF, INF]])
    )
    assert matched[0] == 7
    assert distance.tolist() == [0.5, INF]


@pytest.mark.parametrize("name", ["nearest", "majority_vote"])
def test_no_query_gives_no_match(name):
    labels, distances = simplug.matchers.build(name).match(np.empty((0, 3), dtype=np.int64), np.empty((0, 3)))
    assert labels.shape == distances.shape == (0,)


def test_labels_are_those_of_tensorflow_similarity_but_the_distance_is_that_of_the_voters():
    labels = np.array([[10, 12, 10, 12, 10], [20, 13, 13, 20, 30]])
    distances = np.array([[1.0, 1.1, 1.2, 1.3, 1.4], [2.0, 2.1, 2.2, 2.3, 2.4]])
    matched, distance = simplug.matchers.build("majority_vote").match(labels, distances)
    assert matched.tolist() == [10, 20]
    # It gives 1.2 and 2.2, the means over all five; the voters for 20 are at 2.0 and 2.3.
    assert distance == pytest.approx([1.2, 2.15])
