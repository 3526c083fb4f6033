"""Probes against their definitions: an own logistic regression in float64, and votes that are counted one by one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.optimize import minimize

import simplug

DISTANCES = {name: simplug.distances.build(name) for name in ("cosine", "euclidean", "manhattan")}


def clouds(count, seed, spread=1.2, classes=4, dim=6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    return (2 * np.eye(classes, dim)[labels] + spread * rng.normal(size=(count, dim))).astype(
        np.float32
    ), 3 * labels - 4


def score(name, gallery, labels, queries, truth, distance="cosine", **settings):
    probe = simplug.metrics.build({"name": name, **settings})
    return probe.score(
        np.asarray(gallery, np.float32), labels, np.asarray(queries, np.float32), truth, DISTANCES[distance]
    )


def standardised(gallery, queries):
    mean, std = gallery.mean(axis=0, dtype=np.float64), gallery.std(axis=0, dtype=np.float64)
    return (gallery - mean) / std, (queries - mean) / std


def log_probabilities(weights, inputs, classes):
    matrix = weights.reshape(classes, -1)
    logits = inputs @ matrix[:, :-1].T + matrix[:, -1]
    return (
        logits
        - np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
        - logits.max(axis=1, keepdims=True)
    )


class TestLinearProbe:
    @pytest.mark.parametrize("c", [0.05, 1.0])
    def test_it_is_regularised_logistic_regression_on_standardised_embeddings(self, c):
        gallery, labels = clouds(60, 0)
        queries, truth = clouds(200, 1)
        # A scale and a place of its own for each dimension do not count.
        scale, place = np.array([1, 100, 0.01, 1, 5, 1]), np.array([0, 3, 1, -50, 0, 0])
        names, numbers = np.unique(labels, return_inverse=True)
        inputs, asked = standardised(gallery.astype(np.float64), queries.astype(np.float64))

        def objective(weights):
            inner = weights.reshape(len(names), -1)[:, :-1]
            likely = log_probabilities(weights, inputs, len(names))[np.arange(len(numbers)), numbers]
            return 0.5 * np.sum(inner**2) - c * likely.sum()

        found = minimize(objective, np.zeros(len(names) * 7), options={"gtol": 1e-5}).x
        expected = names[log_probabilities(found, asked, len(names)).argmax(axis=1)] == truth
        scores = score("linear_probe", gallery * scale + place, labels, queries * scale + place, truth, c=c)
        assert 0.6 < expected.mean() < 0.95
        np.testing.assert_array_equal(scores, expected)

    def test_a_dimension_that_does_not_vary_is_left_out(self):
        gallery, labels = clouds(60, 0)
        queries, truth = clouds(50, 1)
        wide = [np.column_stack([part, np.full(len(part), 0.1)]) for part in (gallery, queries)]
        expected = score("linear_probe", gallery, labels, queries, truth)
        np.testing.assert_array_equal(score("linear_probe", wide[0], labels, wide[1], truth), expected)

    def test_collapsed_embeddings_tell_nothing(self):
        labels = np.arange(40) % 4
        scores = score("linear_probe", np.ones((40, 3)), labels, np.ones((40, 3)), labels)
        assert scores.mean() == 0.25

    def test_it_finds_classes_that_no_distance_finds(self):
        # One of fifty dimensions tells the class, and the others are louder.
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, 600)
        embeddings = 20 * rng.normal(size=(600, 50))
        embeddings[:, 7] = labels + 0.05 * rng.normal(size=600)
        parts = embeddings[:400], labels[:400], embeddings[400:], labels[400:]
        assert score("linear_probe", *parts).mean() > 0.9
        assert score("knn_probe", *parts, distance="euclidean").mean() < 0.7


class TestKnnProbe:
    @pytest.mark.parametrize("distance", list(DISTANCES))
    @pytest.mark.parametrize("k", [1, 2, 5, 60, 200])
    def test_it_counts_the_votes_of_the_nearest(self, distance, k):
        gallery, labels = clouds(60, 0)
        queries, truth = clouds(80, 1)
        expected = []
        for row, label in zip(DISTANCES[distance].numpy(queries, gallery), truth, strict=True):
            voters = labels[np.argsort(row)[:k]].tolist()
            counts = Counter(voters)
            # The first voter of a class among those with the most votes is the nearest of them all.
            elected = next(voter for voter in voters if counts[voter] == max(counts.values()))
            expected.append(elected == label)
        found = score("knn_probe", gallery, labels, queries, truth, distance=distance, k=k)
        np.testing.assert_array_equal(found, expected)

    def test_of_classes_with_as_many_votes_that_with_the_nearest_voter_wins(self):
        gallery, labels = [[1.0], [2.0], [3.0], [4.0], [10.0]], np.array([5, 8, 8, 5, 1])
        assert score("knn_probe", gallery, labels, [[0.0]], np.array([5]), distance="euclidean", k=4) == [1.0]
        assert score("knn_probe", gallery, labels, [[0.0]], np.array([8]), distance="euclidean", k=3) == [1.0]

    def test_at_equal_distances_the_earlier_example_comes_first(self):
        same, labels = np.ones((4, 2)), np.array([3, 1, 1, 3])
        assert score("knn_probe", same, labels, np.ones((1, 2)), np.array([3]), k=1) == [1.0]
        assert score("knn_probe", same, labels, np.ones((1, 2)), np.array([1]), k=3) == [1.0]

    def test_with_one_neighbour_it_is_precision_at_1(self):
        gallery, labels = clouds(60, 0)
        queries, truth = clouds(80, 1)
        scores = simplug.evaluation.evaluate_retrieval(queries, truth, gallery, labels, metrics=["precision@1"])
        assert score("knn_probe", gallery, labels, queries, truth, k=1).mean() == scores["precision@1"]
