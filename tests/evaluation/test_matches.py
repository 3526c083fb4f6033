"""Scores of matches at a threshold, and the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.evaluation.matches import confusion, score_matches
from simplug.kernel.errors import InvalidInputError

INF = np.inf


def metrics(*configs):
    return [simplug.metrics.build(config) for config in configs]


class TestMatches:
    TRUTH = np.array([10, 20, 10, 20])
    MATCHED = np.array([10, 20, 30, 40])
    DISTANCES = np.array([1.0, 1.0, 2.0, 2.0])

    @pytest.mark.parametrize(
        ("threshold", "scores"),
        [
            (1, {"precision": 1.0, "recall": 1.0, "fpr": 0.0, "npv": 1.0, "binary_accuracy": 1.0}),
            (2, {"precision": 0.5, "recall": 1.0, "fpr": 1.0, "npv": 1.0, "binary_accuracy": 0.5}),
            (0.5, {"precision": 1.0, "recall": 0.0, "fpr": 0.0, "npv": 0.5, "binary_accuracy": 0.5}),
        ],
    )
    def test_scores_of_the_fixture_of_tensorflow_similarity(self, threshold, scores):
        assert score_matches(self.TRUTH, self.MATCHED, self.DISTANCES, threshold, metrics(*scores)) == scores

    def test_without_a_threshold_every_match_is_accepted(self):
        truth = np.array([0, 0, 1, 1, 2, 2, 3, 3])
        nearest = np.array([0, 10, 1, 10, 2, 10, 3, 10])
        scores = score_matches(truth, nearest, np.ones(8), INF, metrics("precision", "recall"))
        assert scores == {"precision": 0.5, "recall": 1.0}

    def test_a_query_without_a_neighbour_is_rejected_even_without_a_threshold(self):
        scores = score_matches(np.array([1, 1]), np.array([1, 1]), np.array([0.5, INF]), INF, metrics("recall", "npv"))
        assert scores == {"recall": 1.0, "npv": 1.0}

    def test_a_threshold_that_is_no_number_is_refused(self):
        with pytest.raises(InvalidInputError, match="distance_threshold is NaN"):
            score_matches(self.TRUTH, self.MATCHED, self.DISTANCES, float("nan"), metrics("f1"))

    def test_lengths_that_differ_are_refused(self):
        with pytest.raises(InvalidInputError, match="true_labels 4, matched_labels 4, matched_distances 3"):
            score_matches(self.TRUTH, self.MATCHED, self.DISTANCES[:3], 1.0, metrics("f1"))


class TestConfusion:
    def test_it_equals_a_loop_over_queries(self):
        rng = np.random.default_rng(0)
        classes = [7, -3, 2**40, 0]
        truth, predicted = rng.choice(classes, 500), rng.choice([*classes, -1], 500)
        expected = np.zeros((4, 5), dtype=np.int64)
        for t, p in zip(truth.tolist(), predicted.tolist(), strict=True):
            expected[classes.index(t), 4 if p == -1 else classes.index(p)] += 1
        counted = confusion(truth, predicted, classes)
        assert counted.dtype == np.int64
        assert counted.tolist() == expected.tolist()

    def test_another_label_can_stand_for_unknown(self):
        assert confusion([-1, 5], [99, 5], [-1, 5], unknown=99).tolist() == [[0, 0, 1], [0, 1, 0]]

    def test_no_query_gives_zeros(self):
        assert confusion([], [], [1, 2]).tolist() == [[0, 0, 0], [0, 0, 0]]

    @pytest.mark.parametrize(
        ("truth", "predicted", "classes", "text"),
        [
            ([1, 3], [1, 1], [1, 2], "true_labels hold labels that are not among the classes: [3]"),
            ([1, -1], [1, 1], [1, 2], "true_labels hold labels that are not among the classes: [-1]"),
            ([1, 2], [1, 9], [1, 2], "predicted_labels hold labels that are not among the classes: [9]"),
            ([1, 2], [1], [1, 2], "the lengths differ: true_labels 2, predicted_labels 1"),
            ([1, 2], [1, 2], [1, 2, 1], "classes must be distinct"),
            ([1, 2], [1, 2], [1, 2, -1], "classes must be distinct and without the label of unknown (-1)"),
            ([1.5, 2], [1, 2], [1, 2], "true_labels have dtype float64"),
        ],
    )
    def test_what_cannot_be_counted_is_refused(self, truth, predicted, classes, text):
        with pytest.raises(InvalidInputError) as caught:
            confusion(truth, predicted, classes)
        assert text in str(caught.value)
