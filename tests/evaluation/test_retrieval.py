"""Retrieval scores of arrays, against a ranking of all neighbours by the distance's own definition."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simplug
from simplug.evaluation import evaluate_retrieval, retrieval, score_retrieval
from simplug.evaluation.ranking import Gallery, Queries
from simplug.kernel.errors import InvalidInputError

SHALLOW = ["precision@1", "recall@3", "map@5", "ndcg@10"]
DEEP = ["map@r", "r_precision", {"name": "mrr", "k": None}, "precision@1"]


def brute_force(queries, labels, gallery, gallery_labels, metrics, distance, own=None, average="micro"):
    """Rank everything by the distance in float32, calculated in float64, and equal distances by their place."""
    measure = simplug.distances.build(distance)
    queries, gallery = (measure.prepare(np.asarray(part, dtype=np.float32)) for part in (queries, gallery))
    # In blocks, as matrix libraries may add up the edges of a large product in another order.
    distances = np.concatenate([measure.numpy(query[None], gallery) for query in queries]).astype(np.float32)
    relevant = (gallery_labels == labels[:, None]).sum(axis=1)
    if own is not None:
        distances[np.arange(len(own)), own] = np.inf
        relevant -= gallery_labels[own] == labels
    order = np.argsort(distances, axis=1, kind="stable")[:, : len(gallery) - (own is not None)]
    built = [simplug.metrics.build(metric) for metric in metrics]
    filled = np.ones(order.shape, dtype=bool)
    return score_retrieval(built, gallery_labels[order], filled, labels, relevant, average=average)


def assert_equal(scores, expected):
    assert list(scores) == list(expected)
    assert (scores.queries, scores.left_out) == (expected.queries, expected.left_out)
    assert scores.classes.tolist() == expected.classes.tolist()
    assert scores.scored.tolist() == expected.scored.tolist()
    for label, values in expected.values_by_query.items():
        np.testing.assert_allclose(scores.values_by_query[label], values, rtol=0, atol=1e-15, err_msg=label)


@pytest.fixture(scope="module")
def examples():
    """Overlapping clusters: 1,200 embeddings of 30 classes, the first of which are larger."""
    rng = np.random.default_rng(0)
    labels = np.minimum(rng.integers(0, 60, 1200), rng.integers(0, 30, 1200))
    embeddings = rng.normal(size=(30, 12))[labels] + rng.normal(size=(1200, 12))
    return embeddings.astype(np.float32), labels


class TestAgainstBruteForce:
    @pytest.mark.parametrize("metrics", [SHALLOW, DEEP], ids=["shallow", "deep"])
    @pytest.mark.parametrize("distance", simplug.distances.names())
    def test_every_distance_among_the_queries_themselves(self, examples, distance, metrics):
        embeddings, labels = examples
        expected = brute_force(embeddings, labels, embeddings, labels, metrics, distance, own=np.arange(1200))
        assert_equal(evaluate_retrieval(embeddings, labels, metrics=metrics, distance=distance), expected)

    @pytest.mark.parametrize("metrics", [SHALLOW, DEEP], ids=["shallow", "deep"])
    @pytest.mark.parametrize("average", ["micro", "macro"])
    def test_a_gallery_apart(self, examples, metrics, average):
        embeddings, labels = examples
        split = embeddings[:300], labels[:300], embeddings[300:], labels[300:]
        expected = brute_force(*split, metrics, "cosine", average=average)
        scores = evaluate_retrieval(*split, metrics=metrics, average=average)
        assert_equal(scores, expected)
        assert scores == pytest.approx(expected)

    def test_queries_that_are_rows_of_the_gallery_are_left_out_of_their_neighbours(self, examples):
        embeddings, labels = examples
        rows = np.random.default_rng(1).permutation(1200)[:200]
        given = embeddings[rows], labels[rows], embeddings, labels
        for metrics in (SHALLOW, DEEP):
            expected = brute_force(*given, metrics, "euclidean", own=rows)
            assert_equal(evaluate_retrieval(*given, metrics=metrics, distance="euclidean", query_rows=rows), expected)

    def test_settings_of_a_distance_count(self, examples):
        embeddings, labels = examples
        for distance in ({"name": "euclidean", "normalize": True}, {"name": "lp", "p": 3}):
            expected = brute_force(embeddings, labels, embeddings, labels, DEEP, distance, own=np.arange(1200))
            assert_equal(evaluate_retrieval(embeddings, labels, metrics=DEEP, distance=distance), expected)

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_ties_are_in_the_order_of_the_gallery(self, data):
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        distance = data.draw(st.sampled_from(["euclidean", "squared_euclidean", "inner_product", "manhattan"]))
        # On a small grid most distances are tied, and all arithmetic is exact.
        embeddings = rng.integers(-2, 3, (data.draw(st.integers(40, 200)), 2)).astype(np.float32)
        labels = rng.integers(0, 3, len(embeddings))
        for metrics in (["precision@1"], DEEP):
            everyone = np.arange(len(embeddings))
            expected = brute_force(embeddings, labels, embeddings, labels, metrics, distance, own=everyone)
            assert_equal(evaluate_retrieval(embeddings, labels, metrics=metrics, distance=distance), expected)

    @pytest.mark.parametrize("metrics", [SHALLOW, DEEP], ids=["shallow", "deep"])
    @pytest.mark.parametrize("distance", ["cosine", "euclidean"])
    def test_copies_tie_whatever_rounding_makes_of_them(self, examples, distance, metrics):
        embeddings, labels = examples
        rng = np.random.default_rng(2)
        copied = embeddings[rng.integers(0, 100, 1200)] * np.float32(0.1)
        expected = brute_force(copied, labels, copied, labels, metrics, distance, own=np.arange(1200))
        scores = evaluate_retrieval(copied, labels, metrics=metrics, distance=distance)
        assert_equal(scores, expected)

    @pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
    @pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
    def test_embeddings_far_from_the_origin_and_of_any_size(self, examples, offset, scale):
        embeddings, labels = examples
        moved = ((embeddings + np.float32(offset)) * np.float32(scale)).astype(np.float32)
        for metrics in (SHALLOW, DEEP):
            exact = np.linalg.norm(moved[:100, None].astype(np.float64) - moved, axis=2)
            exact[np.arange(100), np.arange(100)] = np.inf
            order = np.argsort(exact, axis=1, kind="stable")[:, :-1]
            built = [simplug.metrics.build(metric) for metric in metrics]
            relevant = (labels == labels[:100, None]).sum(axis=1) - 1
            filled = np.ones(order.shape, dtype=bool)
            expected = score_retrieval(built, labels[order], filled, labels[:100], relevant)
            scores = evaluate_retrieval(
                *(moved[:100], labels[:100], moved, labels),
                metrics=metrics,
                distance="euclidean",
                query_rows=np.arange(100),
            )
            assert_equal(scores, expected)

    def test_what_float32_cannot_tell_apart_is_measured_in_float64(self):
        rng = np.random.default_rng(3)
        # Along an arc of a millionth: products of float32 vectors see hardly any of it.
        embeddings = np.stack([np.ones(1000), 1e-9 * rng.permutation(1000)], axis=1).astype(np.float32)
        labels = rng.integers(0, 2, 1000)
        along = embeddings[:, 1].astype(np.float64)
        nearest = np.argmin(np.abs(along[:, None] - along) + np.eye(1000), axis=1)
        scores = evaluate_retrieval(embeddings, labels, metrics=["precision@1"], distance="euclidean")
        assert scores.values_by_query["precision@1"].tolist() == (labels[nearest] == labels).tolist()


class TestWhatIsScored:
    def test_a_copy_of_the_query_is_a_neighbour_and_the_query_is_not(self):
        embeddings, labels = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]), np.array([0, 1, 2, 2])
        scores = evaluate_retrieval(embeddings, labels, metrics=["precision@1"])
        assert scores == {"precision@1": 1.0}
        assert scores.scored.tolist() == [False, False, True, True]
        scores = evaluate_retrieval(embeddings, np.array([0, 1, 0, 1]), metrics=["precision@1", "recall@2"])
        assert scores == {"precision@1": 0.0, "recall@2": 0.5}

    def test_a_label_that_the_gallery_does_not_have_is_left_out_and_counted(self):
        scores = evaluate_retrieval([[1, 0], [0, 1]], [5, 9], [[1, 0]], [5], metrics=["recall@1"])
        assert scores == {"recall@1": 1.0}
        assert (scores.queries, scores.left_out) == (1, 1)

    def test_places_beyond_the_gallery_are_misses(self):
        scores = evaluate_retrieval([[1, 0]], [5], [[1, 0], [0, 1]], [5, 6], metrics=["precision@5", "recall@5"])
        assert scores == {"precision@5": 0.2, "recall@5": 1.0}

    def test_with_one_class_alone_every_neighbour_is_right(self):
        embeddings = np.random.default_rng(0).normal(size=(50, 4))
        assert set(evaluate_retrieval(embeddings, np.zeros(50, int), metrics=DEEP).values()) == {1.0}

    def test_seen_and_unseen_classes_apart(self, examples):
        embeddings, labels = examples
        scores = evaluate_retrieval(embeddings, labels, metrics=["map@r"])
        seen = labels < 15
        apart = scores.of(seen), scores.of(~seen)
        assert apart[0].queries + apart[1].queries == 1200
        assert scores["map@r"] == pytest.approx(sum(part["map@r"] * part.queries for part in apart) / 1200)
        assert set(apart[0].per_class()) == set(range(15))

    def test_labels_beyond_32_bits_stay_apart(self):
        labels = np.array([2**40, 2**40 + 1, 2**40, 2**40 + 1])
        scores = evaluate_retrieval([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], labels, metrics=["precision@1"])
        assert scores == {"precision@1": 0.0}

    def test_it_agrees_with_an_index(self, examples):
        embeddings, labels = examples
        metrics = ["recall@1", "map@r", "ndcg@10"]
        for distance in ("cosine", "euclidean", "manhattan"):
            with simplug.Index.create(None, dim=12, distance=distance) as index:
                ids = index.add(embeddings, labels)
                expected = index.evaluate_retrieval(embeddings, labels, metrics, query_ids=ids)
            assert_equal(evaluate_retrieval(embeddings, labels, metrics=metrics, distance=distance), expected)


class TestMemory:
    def test_it_does_not_grow_with_the_number_of_queries_however_deep_they_look(self, monkeypatch):
        monkeypatch.setattr(retrieval, "_MEMORY", 1 << 21)
        rng = np.random.default_rng(0)
        embeddings, labels = rng.normal(size=(3000, 8)).astype(np.float32), np.zeros(3000, dtype=int)
        evaluate_retrieval(embeddings[:100], labels[:100], metrics=["map@r"])
        tracemalloc.start()
        scores = evaluate_retrieval(embeddings, labels, metrics=["map@r"])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert scores == {"map@r": 1.0}
        # The distances of all pairs in float32 would take 36 MB.
        assert peak < 16e6

    def test_one_query_is_ranked_at_once_where_no_more_fit(self):
        measure = simplug.distances.build("cosine")
        gallery = Gallery(measure, measure.prepare(np.eye(64, dtype=np.float32)), np.arange(64) % 2)
        assert gallery.at_once(1, memory=1) == gallery.at_once(63, memory=1) == 1
        assert gallery.at_once(1, memory=4 * 64 * 10) == 10
        assert gallery.at_once(63, memory=8 * 64 * 10) == 10

    def test_queries_can_be_ranked_one_by_one(self, examples):
        embeddings, labels = examples
        measure = simplug.distances.build("euclidean")
        gallery = Gallery(measure, embeddings, labels)
        everyone = Queries(embeddings, labels, np.arange(1200))
        for depth in (1, 37, 38, 700, 1199):
            together = gallery.hits(everyone, depth)
            assert together.shape == (1200, depth)
            for query in (0, 7, 1199):
                assert gallery.hits(everyone.some(np.array([query])), depth)[0].tolist() == together[query].tolist()


ONE = {"queries": np.eye(3), "labels": np.array([0, 0, 1]), "metrics": ["recall@1"]}
OTHERS = {"gallery": np.eye(3), "gallery_labels": np.array([0, 1, 2])}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"queries": np.eye(3)[0]}, "queries have shape (3,)"),
        ({"queries": np.full((3, 3), np.nan)}, "queries[0] holds NaN"),
        ({"queries": np.where(np.eye(3) > 0, np.inf, 1.0)}, "queries[0] holds NaN, infinity"),
        ({"queries": np.zeros((3, 3))}, "queries[0] is zero"),
        ({"queries": np.array([["a", "b"]] * 3)}, "queries have dtype"),
        ({"queries": np.empty((0, 3)), "labels": np.empty(0, int)}, "queries is empty"),
        ({"labels": np.array([0, 1])}, "the lengths differ: queries 3, labels 2"),
        ({"labels": np.array([0.5, 0, 1])}, "labels have dtype float64"),
        ({"labels": np.array([0, 1, 2])}, "none of the 3 queries has a record with its label in the gallery"),
        ({"metrics": []}, "no metric is given"),
        ({"metrics": ["f1"]}, "is no RetrievalMetric"),
        ({"average": "weighted"}, "average is 'weighted'"),
        ({"gallery": np.eye(3)}, "gallery and gallery_labels come together"),
        ({"gallery_labels": np.array([0, 1, 2])}, "gallery and gallery_labels come together"),
        ({"query_rows": np.arange(3)}, "there is no gallery"),
        (OTHERS | {"gallery": np.empty((0, 3)), "gallery_labels": np.empty(0, int)}, "gallery is empty"),
        (OTHERS | {"gallery": np.eye(4)[:3]}, "queries have dimension 3 and the gallery 4"),
        (OTHERS | {"gallery": np.full((3, 3), np.nan)}, "gallery[0] holds NaN"),
        (OTHERS | {"gallery_labels": np.array([7, 8, 9])}, "none of the 3 queries has a record with its label"),
        (OTHERS | {"query_rows": np.array([0, 1, 3])}, "query_rows[2] is 3; it is a row of the gallery, from 0 to 2"),
        (OTHERS | {"query_rows": np.array([0, -1, 2])}, "query_rows[1] is -1"),
        (OTHERS | {"query_rows": np.array([0, 1])}, "query_rows are 2, and queries 3"),
    ],
    ids=str,
)
def test_what_cannot_be_scored_is_refused(changes, text):
    with pytest.raises(InvalidInputError) as caught:
        evaluate_retrieval(**ONE | changes)
    assert text in str(caught.value)


def test_an_unknown_metric_or_distance_is_refused():
    for changes in ({"metrics": ["recal@1"]}, {"distance": "cosin"}):
        with pytest.raises(simplug.kernel.errors.SimplugError, match=r"recall|cosine"):
            evaluate_retrieval(**ONE | changes)
