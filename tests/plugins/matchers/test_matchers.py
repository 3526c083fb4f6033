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
    by_weight = simplug.matchers.build("distance_weighted_vote").match(labels, distances)
    assert by_vote[0].tolist() == by_nearest[0].tolist() == by_weight[0].tolist()
    assert by_vote[1].tolist() == by_nearest[1].tolist()
    np.testing.assert_allclose(by_weight[1], by_nearest[1], rtol=1e-12)


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


def inverse_distance(labels, distances, smoothing):
    """Vote in plain Python with weights 1 / (d + s mean): the sums by label, and the mean distances of the voters."""
    votes = [(label, distance) for label, distance in zip(labels, distances, strict=True) if distance < INF]
    lowest = min([0.0, *(distance for _, distance in votes)])
    mean = sum(distance - lowest for _, distance in votes) / max(len(votes), 1)
    sums, totals = {}, {}
    for label, distance in votes:
        weight = 1 / (distance - lowest + smoothing * mean) if mean else 1.0
        sums[label] = sums.get(label, 0) + weight
        totals[label] = totals.get(label, 0) + weight * distance
    return sums, {label: totals[label] / sums[label] for label in sums}


@pytest.mark.parametrize("shift", [0.0, -0.8])
@pytest.mark.parametrize("smoothing", [0.01, 0.1, 2.0])
@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_a_weighted_vote_equals_a_loop_over_queries(k, smoothing, shift):
    labels, distances = neighbours(seed=k, k=k)
    distances = distances + np.float32(shift)
    matched, mean = simplug.matchers.build("distance_weighted_vote", smoothing=smoothing).match(labels, distances)
    assert matched.dtype == np.int64
    assert mean.dtype == np.float64
    for i in range(len(labels)):
        sums, means = inverse_distance(labels[i].tolist(), distances[i].tolist(), smoothing)
        if not sums:
            assert mean[i] == INF
            continue
        assert sums[matched[i]] == pytest.approx(max(sums.values()))
        assert mean[i] == pytest.approx(means[matched[i]])


@pytest.mark.parametrize("unit", [1e-30, 1e-3, 1.0, 1e30])
def test_the_unit_of_the_distance_makes_no_difference_to_a_weighted_vote(unit):
    labels, distances = neighbours(seed=3)
    vote = simplug.matchers.build("distance_weighted_vote")
    expected = vote.match(labels, distances)
    matched, mean = vote.match(labels, distances * np.float32(unit))
    assert matched.tolist() == expected[0].tolist()
    np.testing.assert_allclose(mean, expected[1] * unit, rtol=1e-6)


def test_near_neighbours_outvote_more_far_ones():
    labels = np.array([[1, 1, 2, 2, 2]])
    distances = np.array([[0.01, 0.02, 0.30, 0.31, 0.32]])
    assert simplug.matchers.build("majority_vote").match(labels, distances)[0].tolist() == [2]
    matched, at = simplug.matchers.build("distance_weighted_vote").match(labels, distances)
    assert matched.tolist() == [1]
    assert 0.01 < at[0] < 0.015


def test_a_copy_outvotes_far_neighbours_but_not_near_ones_that_agree():
    vote = simplug.matchers.build("distance_weighted_vote")
    labels = np.array([[1, 2, 2, 2, 2]])
    assert vote.match(labels, np.array([[0.0, 0.30, 0.31, 0.32, 0.33]]))[0].tolist() == [1]
    assert vote.match(labels, np.array([[0.010, 0.020, 0.021, 0.022, 0.023]]))[0].tolist() == [2]


def test_equal_weights_are_a_majority_vote():
    labels, distances = neighbours(seed=4)
    distances[np.isfinite(distances)] = 0.25
    expected = simplug.matchers.build("majority_vote").match(labels, distances)
    found = simplug.matchers.build("distance_weighted_vote").match(labels, distances)
    assert found[0].tolist() == expected[0].tolist()


def test_prototypes_are_the_means_of_classes():
    rng = np.random.default_rng(0)
    labels = rng.choice([3, 2**40, -7], 5000)
    embeddings = rng.normal(1.0, 1.0, (5000, 6)).astype(np.float32)
    blocks = (embeddings[start : start + 700] for start in range(0, 5000, 700))
    classes, means = simplug.matchers.build("prototype").condense(labels, blocks)
    assert classes.tolist() == [-7, 3, 2**40]
    expected = [embeddings[labels == name].astype(np.float64).mean(axis=0) for name in classes]
    np.testing.assert_allclose(means, expected, rtol=1e-6)


def test_the_other_matchers_leave_the_gallery_as_it_is():
    for name in ("nearest", "majority_vote", "distance_weighted_vote"):
        assert simplug.matchers.build(name).condense(np.array([1]), iter([])) is None


@pytest.mark.parametrize("name", ["nearest", "majority_vote", "distance_weighted_vote", "prototype"])
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
