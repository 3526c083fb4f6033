"""Scores of neighbours and matches, and the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.evaluation.matches import confusion, score_matches
from simplug.evaluation.retrieval import RetrievalScores, depth, score_retrieval
from simplug.kernel.errors import InvalidInputError

INF = np.inf


def metrics(*configs):
    return [simplug.metrics.build(config) for config in configs]


class TestRetrieval:
    NEIGHBOURS = np.array([[1, 2, 1], [2, 2, 1], [1, 2, -1], [1, 1, 2]])
    FILLED = np.array([[True, True, True], [True, True, True], [True, True, False], [True, True, True]])
    QUERIES = np.array([1, 1, 2, 3])
    RELEVANT = np.array([3, 3, 2, 0])

    def score(self, *configs, **changes):
        arguments = {
            "neighbor_labels": self.NEIGHBOURS,
            "filled": self.FILLED,
            "query_labels": self.QUERIES,
            "relevant": self.RELEVANT,
        } | changes
        return score_retrieval(metrics(*configs), **arguments)

    def test_scores_are_means_over_the_queries_that_could_be_right(self):
        scores = self.score("recall@1", "precision@3", {"name": "mrr", "k": 3})
        assert scores == pytest.approx({"recall@1": 1 / 3, "precision@3": 4 / 9, "mrr(k=3)": (1 + 1 / 3 + 1 / 2) / 3})
        assert (scores.queries, scores.left_out) == (3, 1)

    def test_a_macro_average_gives_every_class_the_same_weight(self):
        scores = self.score("recall@1", "precision@3", average="macro")
        assert scores == pytest.approx({"recall@1": (1 / 2 + 0) / 2, "precision@3": ((2 / 3 + 1 / 3) / 2 + 1 / 3) / 2})

    def test_scores_are_a_plain_dict_for_whoever_reads_them(self):
        scores = self.score("recall@1")
        assert isinstance(scores, dict)
        assert isinstance(scores, RetrievalScores)
        assert type(scores["recall@1"]) is float

    def test_labels_of_unfilled_places_mean_nothing(self):
        labels = np.where(self.FILLED, self.NEIGHBOURS, 2)
        assert self.score("precision@3", neighbor_labels=labels) == self.score("precision@3")

    def test_equal_metrics_are_scored_once_and_different_ones_kept_apart(self):
        relevant = {"name": "map_at_k", "k": 2, "denominator": "relevant"}
        assert list(self.score("map@2", relevant, "map@2")) == ["map@2", "map@2(denominator=relevant)"]

    def test_labels_above_24_bits_stay_apart(self):
        scores = score_retrieval(
            metrics("precision@1"),
            np.array([[2**24 + 1], [2**40]]),
            np.ones((2, 1), dtype=bool),
            np.array([2**24, 0]),
            np.array([1, 1]),
        )
        assert scores == {"precision@1": 0.0}

    @pytest.mark.parametrize("average", ["micro", "macro"])
    def test_averages_equal_loops_over_queries_and_classes(self, average):
        rng = np.random.default_rng(0)
        gallery, queries = rng.integers(0, 6, 80), rng.integers(0, 6, 50)
        neighbours = np.stack([rng.permutation(gallery) for _ in queries])
        relevant = (gallery == queries[:, None]).sum(axis=1)
        one = metrics("map@r")[0]
        values = one.score(neighbours == queries[:, None], relevant)
        if average == "macro":
            values = [
                np.mean([v for v, q in zip(values, queries, strict=True) if q == label]) for label in set(queries)
            ]
        scores = score_retrieval(
            [one], neighbours, np.ones_like(neighbours, dtype=bool), queries, relevant, average=average
        )
        assert scores["map@r"] == pytest.approx(np.mean(values))

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"average": "weighted"}, "average is 'weighted'; it is one of micro, macro"),
            ({"relevant": np.zeros(4, int)}, "none of the 4 queries has a record with its label in the gallery"),
            ({"relevant": np.array([3, 3, 2])}, "the lengths differ"),
            ({"relevant": np.array([3, -1, 2, 0])}, "relevant holds -1"),
            ({"relevant": np.array([1, 3, 2, 0])}, "query 0 has 2 neighbours with its label"),
            ({"query_labels": np.array([1, 1, 2])}, "the lengths differ"),
            ({"query_labels": np.array([1.0, 1, 2, 3])}, "query_labels have dtype float64"),
            ({"neighbor_labels": np.ones((4, 3))}, "neighbor_labels have dtype float64"),
            ({"neighbor_labels": np.ones((4, 2), int)}, "neighbor_labels have shape (4, 2) and filled (4, 3)"),
            ({"filled": np.ones((4, 3), int)}, "filled has dtype int64; it is booleans"),
        ],
        ids=str,
    )
    def test_arrays_that_do_not_fit_are_refused(self, changes, text):
        with pytest.raises(InvalidInputError) as caught:
            self.score("recall@1", **changes)
        assert text in str(caught.value)

    def test_too_few_neighbours_are_refused_instead_of_scored(self):
        with pytest.raises(InvalidInputError, match="3 neighbours a query are given, but the metrics need 5"):
            self.score("recall@1", "precision@5")

    def test_a_whole_gallery_smaller_than_the_depth_is_enough(self):
        scores = score_retrieval(
            metrics("precision@5"), np.array([[1, 2]]), np.ones((1, 2), dtype=bool), np.array([1]), np.array([1])
        )
        assert scores == {"precision@5": 0.2}

    def test_no_metric_and_a_metric_of_another_task_are_refused(self):
        with pytest.raises(InvalidInputError, match="no metric is given"):
            self.score()
        with pytest.raises(InvalidInputError, match=r"F1\(\) is no RetrievalMetric"):
            self.score("f1")


class TestDepth:
    def test_it_is_the_most_that_a_metric_needs(self):
        assert depth(metrics("recall@3", "map@r", "ndcg@5"), np.array([0, 9, 4])) == 9
        assert depth(metrics("recall@3", "ndcg@5"), np.array([9])) == 5

    def test_without_a_relevant_record_there_is_nothing_to_score(self):
        with pytest.raises(InvalidInputError, match="none of the 2 queries"):
            depth(metrics("recall@3"), np.array([0, 0]))


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
