"""Retrieval metrics against values that PyTorch Metric Learning and TensorFlow Similarity calculated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import simplug
from simplug.evaluation import evaluate_retrieval
from simplug.evaluation.ranked import score_retrieval

REFERENCE = Path(__file__).resolve().parents[3].parent / "shared" / "reference" / "pml_values.json"

needs_reference = pytest.mark.skipif(not REFERENCE.exists(), reason=f"the reference values are not at {REFERENCE}")

PML_NAMES = {
    "precision_at_1": "precision@1",
    "r_precision": "r_precision",
    "mean_average_precision_at_r": "map@r",
    "mean_reciprocal_rank": "mrr",
}


def of_all(k):
    return {"name": "map_at_k", "k": k, "denominator": "relevant"}


def mean(config, hits, relevant):
    return simplug.metrics.build(config).score(np.asarray(hits), np.asarray(relevant)).mean()


class TestPyTorchMetricLearning:
    """Its `AccuracyCalculator`, version 2.9.0."""

    QUERIES = np.array([1, 1, 2, 3, 4, 0])
    NEIGHBOURS = np.array(
        [[0, 1, 1, 2, 2], [1, 0, 1, 1, 3], [4, 4, 4, 4, 2], [3, 1, 3, 1, 3], [0, 0, 4, 2, 2], [1, 2, 3, 4, 5]]
    )
    RELEVANT = np.array([3, 3, 5, 4, 5, 2])

    @pytest.mark.parametrize(
        ("config", "values"),
        [
            ("precision@1", [0, 1, 0, 1, 0, 0]),
            ("r_precision", [2 / 3, 2 / 3, 1 / 5, 2 / 4, 1 / 5, 0]),
            ("map@r", [(1 / 2 + 2 / 3) / 3, (1 + 2 / 3) / 3, (1 / 5) / 5, (1 + 2 / 3) / 4, (1 / 3) / 5, 0]),
            (of_all(5), [7 / 6 / 3, (1 + 2 / 3 + 3 / 4) / 3, 1 / 25, (1 + 2 / 3 + 3 / 5) / 4, 1 / 15, 0]),
            ("mrr", [1 / 2, 1, 1 / 5, 1, 1 / 3, 0]),
        ],
        ids=str,
    )
    def test_scores_of_its_published_table(self, config, values):
        metric = simplug.metrics.build(config)
        scores = metric.score(self.QUERIES[:, None] == self.NEIGHBOURS, self.RELEVANT)
        assert scores == pytest.approx(values)

    @needs_reference
    @pytest.mark.parametrize("mode", ["query_and_reference", "same_source"])
    @pytest.mark.parametrize("k", [None, 10, "max_bin_count"], ids=lambda k: f"k={k}")
    def test_scores_of_its_calculator(self, mode, k):
        reference = json.loads(REFERENCE.read_text())
        embeddings = np.array(reference["accuracy_data"]["embeddings"])
        labels = np.array(reference["accuracy_data"]["labels"])
        (case,) = [case for case in reference["accuracy"] if case["mode"] == mode and case["k"] == k]
        hits, relevant = ranked(embeddings, labels, same_source=mode == "same_source")
        depth = {None: hits.shape[1], "max_bin_count": int(relevant.max())}.get(k, k)
        values = {theirs: mean(ours, hits[:, :depth], relevant) for theirs, ours in PML_NAMES.items()}
        values["mean_average_precision"] = mean(of_all(depth), hits[:, :depth], relevant)
        # With fewer neighbours than relevant records its R-precision is divided by their number, not by R.
        values["r_precision"] = mean("r_precision", hits[:, :depth], np.minimum(relevant, depth))
        assert values == pytest.approx(case["values"])


CALCULATED = (of_all(80), "map@r", {"name": "mrr", "k": None}, "precision@1", "r_precision")
AVERAGES_OF_AVERAGES = {
    False: [0.4912692115910327, 0.31813202825513426, 0.7696969509124756, 0.6666666666666666, 0.4392676767676768],
    True: [0.40744537249463475, 0.2351964064043651, 0.6501564383506775, 0.49395049395049395, 0.3664606227106227],
}
"""By whether the queries are each other's gallery."""


@needs_reference
class TestCalculatorOnArrays:
    """The same calculator against the whole evaluation, from embeddings to scores."""

    @pytest.fixture
    def data(self):
        data = json.loads(REFERENCE.read_text())["accuracy_data"]
        return np.array(data["embeddings"]), np.array(data["labels"])

    def evaluate(self, data, metrics, *, same_source, **options):
        embeddings, labels = data
        arrays = data if same_source else (embeddings[:25], labels[:25], embeddings[25:], labels[25:])
        return evaluate_retrieval(*arrays, metrics=metrics, distance="euclidean", **options)

    @pytest.mark.parametrize("mode", ["query_and_reference", "same_source"])
    @pytest.mark.parametrize("k", [None, 10, "max_bin_count"], ids=lambda k: f"k={k}")
    def test_scores_from_embeddings(self, data, mode, k):
        (case,) = [
            case for case in json.loads(REFERENCE.read_text())["accuracy"] if case["mode"] == mode and case["k"] == k
        ]
        same_source = mode == "same_source"
        sizes = np.bincount(data[1] if same_source else data[1][25:])
        depth = {None: 80, "max_bin_count": int(sizes.max() - same_source)}.get(k, k)
        metrics = ["precision@1", of_all(depth), {"name": "mrr", "k": depth}, "map@r", "r_precision"]
        names = ["precision_at_1", "mean_average_precision", "mean_reciprocal_rank"]
        # Its other two are wrong when k is less than R, of which it only warns.
        names += ["mean_average_precision_at_r", "r_precision"] if k != 10 else []
        scores = self.evaluate(data, metrics, same_source=same_source)
        expected = [case["values"][name] for name in names]
        assert list(scores.values())[: len(names)] == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("same_source", [False, True])
    def test_the_macro_average_is_its_average_of_averages(self, data, same_source):
        scores = self.evaluate(data, CALCULATED, same_source=same_source, average="macro")
        assert list(scores.values()) == pytest.approx(AVERAGES_OF_AVERAGES[same_source], abs=1e-6)

    def test_classes_apart_are_its_scores_per_class(self, data):
        scores = self.evaluate(data, CALCULATED, same_source=True).per_class()
        precisions = [0.75, 0.42857142857142855, 0.45454545454545453, 0.46153846153846156, 0.5833333333, 0.2857142857]
        assert [scores[label]["precision@1"] for label in range(6)] == pytest.approx(precisions)
        maps = [0.468561531, 0.156215945, 0.093290043, 0.260975135, 0.359476803, 0.072658980]
        assert [scores[label]["map@r"] for label in range(6)] == pytest.approx(maps, abs=1e-6)

    def test_queries_within_a_larger_gallery(self, data):
        embeddings, labels = data
        scores = evaluate_retrieval(
            *(embeddings[:25], labels[:25], embeddings, labels),
            metrics=CALCULATED,
            distance="euclidean",
            query_rows=np.arange(25),
        )
        expected = [0.4463162963945371, 0.2673408082722768, 0.7766667008399963, 0.64, 0.39278321678321676]
        assert list(scores.values()) == pytest.approx(expected, abs=1e-6)


def ranked(embeddings, labels, *, same_source):
    """Return hits and numbers of relevant records, as the two modes of the calculator define them."""
    queries = len(labels) if same_source else 25
    gallery = slice(0 if same_source else 25, None)
    distances = np.linalg.norm(embeddings[:queries, None] - embeddings[None, gallery], axis=2)
    if same_source:
        np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1)[:, : -1 if same_source else None]
    hits = labels[gallery][order] == labels[:queries, None]
    return hits, hits.sum(axis=1)


class TestTensorFlowSimilarity:
    """Its retrieval metrics, on six queries of a fixture with two records a class."""

    NEIGHBOURS = np.array([[0, 0, 2], [0, 1, 0], [1, 1, 0], [2, 1, 2], [2, 2, 1], [2, 0, 0]])
    QUERIES = np.array([0, 0, 1, 1, 2, 2])

    @pytest.mark.parametrize(
        ("config", "value"),
        [
            ("recall@1", 0.8333333),
            ("recall@2", 1.0),
            ("precision@3", 0.5555555),
            ("map@3", 0.7638889),
            ("map@r", 0.7083333),
            ("r_precision", 0.75),
        ],
    )
    def test_scores_of_its_fixture(self, config, value):
        assert mean(config, self.QUERIES[:, None] == self.NEIGHBOURS, np.full(6, 2)) == pytest.approx(value, abs=1e-6)

    def test_ndcg_departs_because_its_ideal_ranking_ignores_what_was_missed(self):
        hits = self.QUERIES[:, None] == self.NEIGHBOURS
        ideal_of_retrieved = np.minimum(hits.sum(axis=1), 3)
        assert mean("ndcg@3", hits, ideal_of_retrieved) == pytest.approx(0.92510843)
        assert mean("ndcg@3", hits, np.full(6, 2)) == pytest.approx(0.8199528, abs=1e-6)

    HITS = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    CLASSES = np.array([1, 1, 1, 0])

    @pytest.mark.parametrize(
        ("config", "micro", "macro"), [("precision@3", 0.583333, 0.5), ("recall@2", 0.75, 0.5)], ids=str
    )
    def test_averages_over_queries_and_over_classes(self, config, micro, macro):
        neighbours = np.where(self.HITS, self.CLASSES[:, None], 9)
        for average, value in (("micro", micro), ("macro", macro)):
            scores = score_retrieval(
                [simplug.metrics.build(config)],
                neighbours,
                np.ones_like(self.HITS),
                self.CLASSES,
                np.array([3, 3, 3, 10]),
                average=average,
            )
            assert scores[config] == pytest.approx(value, abs=1e-6)

    def test_average_precision_with_class_sizes_given(self):
        relevant = np.array([3, 3, 3, 10])
        assert mean(of_all(3), self.HITS, relevant) == pytest.approx(0.50833333)
        # Divided by what three places can hold, the query of the class of ten has (1/3)/3 instead of (1/3)/10.
        assert mean("map@3", self.HITS, relevant) == pytest.approx((3 * 2 / 3 + 1 / 9) / 4)

    def test_average_precision_clipped_at_r(self):
        hits = np.array([[0, 0, 0, 1], [0, 0, 0, 1]], dtype=bool)
        assert mean("map@r", hits, [4, 3]) == pytest.approx(0.03125)
