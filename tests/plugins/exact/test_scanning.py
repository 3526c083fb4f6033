"""Exactness of the scan, where a coarse product alone would fail."""

import functools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simplug
from simplug.api import Block, scan
from simplug.api.scanning import in_space, table
from simplug.api.scanning.nearest import Nearest

COUNT = 6000
"""How many vectors there are."""


def defined(distance, queries, vectors, k):
    """Return rows and distances from the formulas, pair by pair, in float64."""
    queries, vectors = (distance.prepare(each).astype(np.float64) for each in (queries, vectors))
    rows, distances = [], []
    for query in queries:
        if distance.space == "l2":
            differences = vectors - query
            values = np.einsum("ij,ij->i", differences, differences)
        else:
            pairs = np.broadcast_to(query, vectors.shape).copy()
            values = 1 - np.einsum("ij,ij->i", pairs, vectors)
        largest = float(np.finfo(np.float32).max)
        measured = np.clip(distance.from_space(values), -largest, largest).astype(np.float32)
        rows.append(np.argsort(measured, kind="stable")[:k])
        distances.append(measured[rows[-1]])
    return np.array(rows), np.array(distances)


def agrees(name, queries, vectors, k=10, blocks=1):
    distance = simplug.distances.build(name)
    rows = np.cumsum(np.arange(len(vectors)) % 3 + 1)
    prepared = distance.prepare(vectors)
    parts = [Block(rows[part], prepared[part]) for part in np.array_split(np.arange(len(rows)), blocks)]
    found, distances = scan(distance, distance.prepare(queries), parts, k)
    expected, values = defined(distance, queries, vectors, k)
    np.testing.assert_array_equal(found, rows[expected])
    np.testing.assert_array_equal(distances, values)


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@functools.cache
def cases(dim):
    vectors, queries = normal(COUNT, dim), normal(30, dim)
    rng = np.random.default_rng(0)
    nearer = np.argsort(-np.linalg.norm(vectors - queries[0], axis=1))
    return {
        "normal": (queries, vectors),
        "one query": (queries[:1], vectors),
        "whole numbers": (
            rng.integers(1, 4, (30, dim)).astype(np.float32),
            rng.integers(1, 4, (COUNT, dim)).astype(np.float32),
        ),
        "three vectors": (queries, np.repeat(vectors[:3], COUNT // 3, axis=0)),
        "one vector": (vectors[:30], np.repeat(vectors[:1], COUNT, axis=0)),
        "collapsed": (vectors[:1] + np.float32(1e-6) * queries, vectors[:1] + np.float32(1e-6) * vectors),
        "far from the origin": (queries + np.float32(1e4), vectors + np.float32(1e4)),
        "very far": (queries + np.float32(1e6), vectors + np.float32(1e6)),
        "tiny": (queries * np.float32(1e-25), vectors * np.float32(1e-25)),
        "below normal numbers": (queries * np.float32(1e-42), vectors * np.float32(1e-42)),
        "huge": (queries * np.float32(1e25), vectors * np.float32(1e25)),
        "huge ones first": (
            queries * np.float32(1e20),
            vectors * np.where(np.arange(COUNT) < COUNT // 3, np.float32(1e25), np.float32(1))[:, None],
        ),
        "of all sizes": (queries, vectors * np.exp(8 * normal(COUNT, 1))),
        "scaled copies": (queries, vectors[rng.integers(0, 5, COUNT)] * rng.uniform(0.1, 9, (COUNT, 1)).astype("f")),
        "nearer and nearer": (queries, vectors[nearer]),
    }


@pytest.mark.parametrize("name", ["cosine", "inner_product", "euclidean", "squared_euclidean"])
@pytest.mark.parametrize("dim", [1, 3, 64])
@pytest.mark.parametrize("case", cases(1))
def test_it_is_exact(name, dim, case):
    agrees(name, *cases(dim)[case], blocks=3)


@pytest.mark.parametrize("name", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 2500, COUNT])
def test_it_is_exact_for_few_and_for_many_neighbours(name, k):
    agrees(name, *cases(16)["normal"], k=k, blocks=4)


@pytest.mark.parametrize("name", ["cosine", "inner_product", "euclidean"])
@pytest.mark.parametrize("case", ["normal", "whole numbers", "very far", "of all sizes", "nearer and nearer"])
@pytest.mark.parametrize("k", [1, 10])
def test_it_is_exact_where_a_block_takes_many_products(monkeypatch, name, case, k):
    monkeypatch.setattr(in_space, "CELLS", 30 * 70)
    monkeypatch.setattr(table, "_COMPARED", 7 * 70)
    agrees(name, *cases(16)[case], k=k, blocks=2)


@pytest.mark.parametrize("name", ["cosine", "inner_product", "euclidean"])
@pytest.mark.parametrize("case", cases(1))
def test_it_is_exact_for_one_query(name, case):
    queries, vectors = cases(16)[case]
    for query in queries[:3]:
        agrees(name, query[None], vectors, blocks=3)
        agrees(name, query[None], vectors, k=1, blocks=7)


@pytest.mark.parametrize("name", ["cosine", "inner_product", "squared_euclidean"])
@pytest.mark.parametrize("case", cases(1))
def test_it_is_exact_for_many_queries(monkeypatch, name, case):
    # From so many queries on, their limits are part of the product.
    monkeypatch.setattr(in_space, "_MANY", 2)
    monkeypatch.setattr(in_space, "CELLS", 30 * 700)
    agrees(name, *cases(16)[case], blocks=3)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_ties_come_in_the_order_of_rows(data):
    dim, count, k = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 40)), data.draw(st.integers(1, 12)))
    number = st.integers(1, 3)
    vectors = np.array(
        data.draw(st.lists(st.lists(number, min_size=dim, max_size=dim), min_size=count, max_size=count))
    )
    name = data.draw(st.sampled_from(["inner_product", "euclidean", "cosine"]))
    blocks = data.draw(st.integers(1, count))
    agrees(name, vectors[:5].astype(np.float32), vectors.astype(np.float32), k=min(k, count), blocks=blocks)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.lists(st.integers(1, 9), min_size=0, max_size=6))
def test_the_nearest_of_parts_are_the_nearest_of_all(seed, k, sizes):
    rng = np.random.default_rng(seed)
    # Few distinct values, negative ones and both zeros among them, so that ties are many.
    distances = rng.choice(np.array([-1.5, -0.0, 0.0, 1e-30, 2.0], dtype=np.float32), size=(3, sum(sizes)))
    rows = np.cumsum(rng.integers(1, 5, sum(sizes)))
    nearest, start = Nearest(3, k), 0
    for size in sizes:
        part = slice(start, start + size)
        which, columns = np.divmod(np.arange(3 * size), size)
        values = distances[:, part].ravel()
        nearest.push(which, rows[part][columns], values.astype(np.float64), values)
        start += size
    found, values = nearest.result()
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    filled = min(k, sum(sizes))
    assert np.array_equal(found[:, :filled], rows[order] if filled else found[:, :0])
    assert np.array_equal(values[:, :filled], np.take_along_axis(distances, order, axis=1))
    assert (found[:, filled:] == -1).all()
    assert np.isinf(values[:, filled:]).all()


@pytest.mark.parametrize("name", ["manhattan", "snr", "lp"])
def test_other_distances_are_measured_by_their_definition(name):
    distance = simplug.distances.build(name)
    vectors, queries = normal(700, 5), normal(20, 5)
    blocks = [Block(np.arange(start, start + 100), vectors[start : start + 100]) for start in range(0, 700, 100)]
    measured = distance.numpy(queries, vectors)
    order = np.argsort(measured.astype(np.float32), axis=1, kind="stable")[:, :9]
    rows, distances = scan(distance, queries, blocks, 9, cells=300)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(distances, np.take_along_axis(measured, order, axis=1), rtol=1e-6)


@pytest.mark.parametrize("case", ["normal", "one vector", "very far", "whole numbers"])
def test_its_memory_is_bounded(case):
    distance = simplug.distances.build("euclidean")
    queries, vectors = cases(32)[case]
    queries, vectors = np.tile(queries, (20, 1)), np.tile(vectors, (10, 1))
    tracemalloc.start()
    try:
        scan(distance, queries, [Block(np.arange(len(vectors)), vectors)], 10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # All distances would take 288 MB in float64.
    assert peak < 60 * 2**20
