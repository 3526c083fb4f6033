"""Lookups: what comes back is near, filtered, ordered and measured by the distance's own definition."""

import numpy as np
import pytest

import simplug
from simplug.index.index import Index

GRAPH_DISTANCES = ["cosine", "euclidean", "squared_euclidean", "inner_product"]
ALL_DISTANCES = [*GRAPH_DISTANCES, "manhattan", "snr"]


def brute_force(distance, queries, vectors, k):
    """The (q, k) positions and float64 distances of the nearest vectors, equal distances in order of position."""
    measured = simplug.distances.build(distance).numpy(queries, vectors)
    order = np.lexsort((np.broadcast_to(np.arange(len(vectors)), measured.shape), measured), axis=1)[:, :k]
    return order, np.take_along_axis(measured, order, axis=1)


@pytest.mark.parametrize(
    ("search", "distance"),
    [("exact", name) for name in ALL_DISTANCES] + [("hnsw", name) for name in GRAPH_DISTANCES],
)
def test_neighbours_and_distances_are_those_of_the_definition(vectors, search, distance):
    queries = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    with Index.create(None, dim=8, distance=distance, search=search) as index:
        index.add(vectors, labels=np.arange(len(vectors)) % 7)
        found = index.lookup(queries, k=10)
    order, distances = brute_force(distance, queries, vectors, 10)
    assert np.array_equal(found.ids, order)
    np.testing.assert_allclose(found.distances, distances, rtol=2e-6, atol=2e-6)
    assert np.array_equal(found.labels, order % 7)
    assert (found.ids.dtype, found.distances.dtype, found.labels.dtype) == (np.int64, np.float32, np.int64)


def test_places_that_no_record_fills_are_marked(pair, vectors):
    with Index.create(None, dim=8, search=pair["search"]) as index:
        empty = index.lookup(vectors[:2], k=3)
        assert empty.ids.tolist() == [[-1] * 3] * 2
        index.add(vectors[:2], labels=[4, 5])
        found = index.lookup(vectors[:1], k=4)
    assert found.ids.tolist() == [[0, 1, -1, -1]]
    assert found.labels.tolist() == [[4, 5, -1, -1]]
    assert found.distances[0, 2:].tolist() == [np.inf, np.inf]
    assert found.filled.tolist() == [[True, True, False, False]]


def test_no_queries_get_no_neighbours(pair, vectors):
    with Index.create(None, dim=8, search=pair["search"]) as index:
        index.add(vectors)
        assert index.lookup(np.empty((0, 8)), k=3).ids.shape == (0, 3)
        assert index.lookup(np.empty((0, 8)), k=3, where={"id": [1]}).ids.shape == (0, 3)


def test_records_at_equal_distance_are_in_the_order_of_their_last_change(vectors):
    with Index.create(None, dim=8, search="exact") as index:
        index.add(np.repeat(vectors[:1], 5, axis=0), ids=[9, 3, 7, 1, 5])
        assert index.lookup(vectors[:1], k=4).ids.tolist() == [[9, 3, 7, 1]]
        index.update([3], labels=[2])
        assert index.lookup(vectors[:1], k=5).ids.tolist() == [[9, 7, 1, 5, 3]]
        assert index.lookup(vectors[:1], k=3, where={"id": [5, 1, 3]}).ids.tolist() == [[1, 5, 3]]


def test_a_filter_gives_the_true_neighbours_among_those_that_pass(pair, vectors):
    labels = np.arange(len(vectors)) % 10
    with Index.create(None, dim=8, search=pair["search"]) as index:
        index.add(vectors, labels=labels)
        passing = np.flatnonzero(np.isin(labels, [1, 2]))
        order, distances = brute_force("cosine", vectors[:6], vectors[passing], 5)
        found = index.lookup(vectors[:6], k=5, where={"label": [1, 2]})
        assert np.array_equal(found.ids, passing[order])
        np.testing.assert_allclose(found.distances, distances, atol=1e-6)
        both = index.lookup(vectors[:1], k=3, where={"label": 1, "id": {1, 2, 11}})
        assert sorted(both.ids[0].tolist()) == [-1, 1, 11]
        assert index.lookup(vectors[:1], k=2, where={"label": []}).ids.tolist() == [[-1, -1]]
        assert index.lookup(vectors[:1], k=2, where={"id": [10**6]}).ids.tolist() == [[-1, -1]]


def test_a_single_lookup_has_no_axis_of_queries(vectors):
    with Index.create(None, dim=8) as index:
        index.add(vectors)
        for query in (vectors[3], vectors[3:4], vectors[3].tolist()):
            found = index.single_lookup(query, k=2)
            assert found.ids.shape == (2,)
            assert found.ids[0] == 3
        with pytest.raises(ValueError, match=r"query must have shape \(8,\)"):
            index.single_lookup(vectors[:2])


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_queries_of_any_real_dtype_are_taken(dtype):
    with Index.create(None, dim=2) as index:
        index.add(np.array([[1, 2], [2, 1]], dtype=dtype))
        assert index.lookup(np.array([[4, 2]], dtype=dtype), k=1).ids.tolist() == [[1]]


def test_plugins_that_listen_are_told_of_a_lookup(vectors):
    class Listener:
        def __init__(self):
            self.seen = []

        @simplug.kernel.hooks.hookimpl
        def simplug_lookup_done(self, index, queries, neighbors):
            self.seen.append((len(index), queries.shape, neighbors.ids.shape))

    listener = Listener()
    simplug.plugins.register(listener)
    try:
        with Index.create(None, dim=8) as index:
            index.add(vectors)
            index.lookup(vectors[:2], k=3)
    finally:
        simplug.plugins.unregister(listener)
    assert listener.seen == [(len(vectors), (2, 8), (2, 3))]


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e18, 1e30])
def test_a_single_query_of_any_size_is_looked_up_without_a_warning(vectors, scale):
    with Index.create(None, dim=8, search="hnsw") as index:
        index.add(vectors)
        expected = index.lookup(vectors[:20], k=3)
        for place, vector in enumerate(vectors[:20] * np.float32(scale)):
            found = index.single_lookup(vector, k=3)
            assert np.array_equal(found.ids, expected.ids[place])
            np.testing.assert_allclose(found.distances, expected.distances[place], atol=1e-6)
