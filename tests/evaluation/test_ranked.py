"""Scores of neighbours that were ranked already."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.evaluation.ranked import depth, score_retrieval
from simplug.evaluation.scores import RetrievalScores
from simplug.kernel.errors import InvalidInputError


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
