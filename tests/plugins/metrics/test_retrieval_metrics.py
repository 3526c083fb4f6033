"""Retrieval metrics against loops written from their formulas, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

import simplug


def recall_at_k(hits, relevant, k):
    return 1.0 if any(hits[:k]) else 0.0


def precision_at_k(hits, relevant, k):
    return sum(hits[:k]) / k


def r_precision(hits, relevant):
    return sum(hits[:relevant]) / relevant


def average_precision(hits, depth, denominator):
    total = 0.0
    for j in range(min(depth, len(hits))):
        if hits[j]:
            total += sum(hits[: j + 1]) / (j + 1)
    return total / denominator


def reciprocal_rank(hits, relevant, depth=None):
    for j, hit in enumerate(hits[:depth]):
        if hit:
            return 1 / (j + 1)
    return 0.0


def ndcg_at_k(hits, relevant, k):
    gain = sum(1 / math.log2(2 + j) for j, hit in enumerate(hits[:k]) if hit)
    ideal = sum(1 / math.log2(2 + j) for j in range(min(relevant, k)))
    return gain / ideal


DEFINITIONS = {
    "recall@1": lambda h, r: recall_at_k(h, r, 1),
    "recall@4": lambda h, r: recall_at_k(h, r, 4),
    "precision@1": lambda h, r: precision_at_k(h, r, 1),
    "precision@7": lambda h, r: precision_at_k(h, r, 7),
    "r_precision": r_precision,
    "map@r": lambda h, r: average_precision(h, r, r),
    "map@1": lambda h, r: average_precision(h, 1, min(r, 1)),
    "map@6": lambda h, r: average_precision(h, 6, min(r, 6)),
    "mrr": reciprocal_rank,
    "ndcg@1": lambda h, r: ndcg_at_k(h, r, 1),
    "ndcg@5": lambda h, r: ndcg_at_k(h, r, 5),
    "ndcg@40": lambda h, r: ndcg_at_k(h, r, 40),
}


def rankings(gallery: int, queries: int, seed: int):
    """Rank a random gallery, with many equal distances, for random queries; hits and numbers of relevant records."""
    rng = np.random.default_rng(seed)
    gallery_labels = rng.integers(0, 4, gallery)
    labels = rng.choice(gallery_labels, queries)
    distances = rng.integers(0, 5, (queries, gallery)) / 4
    order = np.argsort(distances, axis=1, kind="stable")
    return gallery_labels[order] == labels[:, None], (gallery_labels == labels[:, None]).sum(axis=1)


@pytest.mark.parametrize("gallery", [1, 2, 3, 6, 30], ids=lambda size: f"gallery of {size}")
@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_metric_equals_the_loop_written_from_its_formula(name, gallery):
    metric = simplug.metrics.build(name)
    hits, relevant = rankings(gallery, queries=50, seed=gallery)
    scores = metric.score(hits, relevant)
    assert scores.dtype == np.float64
    assert scores == pytest.approx(
        [DEFINITIONS[name](h, r) for h, r in zip(hits.tolist(), relevant.tolist(), strict=True)]
    )


@pytest.mark.parametrize("name", [*DEFINITIONS, {"name": "map_at_k", "k": 6, "denominator": "relevant"}], ids=str)
def test_more_neighbours_than_the_depth_change_nothing(name):
    metric = simplug.metrics.build(name)
    hits, relevant = rankings(60, queries=40, seed=1)
    enough = hits[:, : metric.depth(relevant)]
    assert metric.score(enough, relevant).tolist() == metric.score(hits, relevant).tolist()


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_perfect_ranking_scores_one_where_k_can_be_filled(name):
    relevant = np.array([7, 9, 40])
    hits = np.arange(60) < relevant[:, None]
    assert simplug.metrics.build(name).score(hits, relevant).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_ranking_without_a_hit_scores_zero(name):
    assert simplug.metrics.build(name).score(np.zeros((2, 50), dtype=bool), np.array([1, 3])).tolist() == [0.0, 0.0]


def test_average_precision_can_be_divided_by_all_relevant_records():
    hits, relevant = np.array([[True, False, True, True]]), np.array([10])
    reachable = simplug.metrics.build("map@3").score(hits, relevant)
    of_all = simplug.metrics.build({"name": "map_at_k", "k": 3, "denominator": "relevant"}).score(hits, relevant)
    assert reachable == pytest.approx((1 + 2 / 3) / 3)
    assert of_all == pytest.approx((1 + 2 / 3) / 10)


def test_ndcg_equals_that_of_scikit_learn():
    hits, relevant = rankings(30, queries=60, seed=3)
    falling = np.tile(np.arange(30, 0, -1), (60, 1))
    for k in (1, 4, 30):
        ours = simplug.metrics.build(f"ndcg@{k}").score(hits, relevant)
        theirs = [ndcg_score([h], [f], k=k) for h, f in zip(hits.astype(float), falling, strict=True)]
        assert ours == pytest.approx(theirs)


def test_average_precision_over_the_whole_gallery_equals_that_of_scikit_learn():
    hits, relevant = rankings(30, queries=60, seed=4)
    theirs = [average_precision_score(h, np.arange(30, 0, -1)) for h in hits]
    assert simplug.metrics.build("map@30").score(hits, relevant) == pytest.approx(theirs)


def test_a_record_that_was_missed_lowers_ndcg():
    score = simplug.metrics.build("ndcg@3").score(np.array([[True, False, False]]), np.array([10]))
    assert score == pytest.approx(1 / (1 + 1 / math.log2(3) + 1 / 2))


def test_the_reciprocal_rank_beyond_its_depth_is_zero():
    hits = np.zeros((1, 150), dtype=bool)
    hits[0, 120] = True
    assert simplug.metrics.build("mrr").score(hits, np.array([1])).tolist() == [0.0]
    assert simplug.metrics.build("mrr", k=121).score(hits, np.array([1])) == pytest.approx([1 / 121])
    assert simplug.metrics.build("mrr", k="none").score(hits, np.array([1])) == pytest.approx([1 / 121])


@pytest.mark.parametrize(
    ("name", "depth"),
    [("recall@3", 3), ("precision@3", 3), ("map@3", 3), ("ndcg@3", 3), ("mrr", 100), ("r_precision", 9), ("map@r", 9)],
)
def test_the_depth_is_k_or_the_largest_number_of_relevant_records(name, depth):
    assert simplug.metrics.build(name).depth(np.array([2, 9, 4])) == depth


def test_an_unlimited_reciprocal_rank_asks_for_the_whole_gallery():
    assert simplug.metrics.build("mrr", k="none").depth(np.array([2])) > 10**12


@pytest.mark.parametrize("name", ["recall_at_k", "precision_at_k", "map_at_k", "ndcg_at_k", "mrr"])
def test_k_below_one_is_refused(name):
    with pytest.raises(simplug.kernel.errors.ConfigError, match=r"metric\.k: must be >= 1, not 0"):
        simplug.metrics.build(name, k=0)


@pytest.mark.parametrize(
    ("config", "label"),
    [
        ("recall@5", "recall@5"),
        ("map@r", "map@r"),
        ("r_precision", "r_precision"),
        ("f1", "f1"),
        ("mrr", "mrr"),
        ({"name": "mrr", "k": 10}, "mrr(k=10)"),
        ({"name": "mrr", "k": "none"}, "mrr(k=none)"),
        ({"name": "map_at_k", "k": 5, "denominator": "relevant"}, "map@5(denominator=relevant)"),
    ],
    ids=str,
)
def test_a_label_tells_metrics_with_other_settings_apart(config, label):
    assert simplug.metrics.build(config).label == label


def test_a_label_names_every_setting_without_a_default():
    import attrs

    from simplug.api import ClassificationMetric, component, option

    @attrs.frozen
    class Weighted(ClassificationMetric):
        """Needs a weight."""

        weight: float = option(doc="A weight.")
        power: int = option(1, doc="A power.")
        distance: simplug.api.Distance = component("distance", default="cosine", doc="A distance.")

        def fraction(self, tp, fp, tn, fn):
            return tp, tp

    simplug.metrics.register("weighted_for_a_test", Weighted)
    try:
        assert Weighted(0.5).label == "weighted_for_a_test(weight=0.5)"
        assert Weighted(0.5, power=2).label == "weighted_for_a_test(weight=0.5, power=2)"
    finally:
        simplug.metrics.unregister("weighted_for_a_test")
