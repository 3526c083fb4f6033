"""The exact search with rounded vectors."""

import numpy as np
import pytest

import simplug
from simplug.testing import SearchSuite

LEAST = {"float16": 0.999, "int8": 0.99}
SHARE = {"float32": 1, "float16": 1 / 2, "int8": 1 / 4}


class TestFloat16(SearchSuite):
    name = "exact"
    config = {"dtype": "float16"}  # noqa: RUF012


class TestInt8(SearchSuite):
    name = "exact"
    config = {"dtype": "int8"}  # noqa: RUF012


def clustered(count, dim, seed):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(60, dim))
    return (centers[rng.integers(0, 60, count)] + 0.5 * rng.normal(size=(count, dim))).astype(np.float32)


@pytest.mark.parametrize("dtype", LEAST)
@pytest.mark.parametrize("distance", ["cosine", "euclidean", "inner_product", "manhattan"])
def test_the_index_finds_the_neighbours_and_their_true_distances(dtype, distance):
    vectors, queries = clustered(6000, 48, 0), clustered(200, 48, 1)
    found, expected = (
        _index(vectors, distance, search).lookup(queries, k=10)
        for search in ({"name": "exact", "dtype": dtype}, {"name": "exact"})
    )
    recall = np.mean([np.isin(one, true).mean() for one, true in zip(found.ids, expected.ids, strict=True)])
    assert recall >= LEAST[dtype]
    same = found.ids == expected.ids
    np.testing.assert_array_equal(found.distances[same], expected.distances[same])


@pytest.mark.parametrize("dtype", LEAST)
def test_ties_are_in_order_and_places_beyond_the_records_empty(dtype):
    vectors = np.repeat(clustered(3, 8, 0), 4, axis=0)
    found = _index(vectors, "cosine", {"name": "exact", "dtype": dtype}).lookup(vectors[:1], k=20)
    assert found.ids[0, :4].tolist() == [0, 1, 2, 3]
    assert sorted(found.ids[0, :12].tolist()) == list(range(12))
    assert (found.ids[0, 12:] == -1).all()
    assert np.isinf(found.distances[0, 12:]).all()


@pytest.mark.parametrize("dtype", SHARE)
def test_a_vector_takes_what_its_numbers_take(dtype):
    engine = simplug.searches.build("exact", dtype=dtype).create(1024, simplug.distances.build("cosine"))
    engine.add(np.arange(5000), clustered(5000, 1024, 0))
    arrays = [array for block in engine._blocks for array in block._columns()]
    # A last block has room for more vectors, and each has a row and up to two numbers beside its own.
    assert sum(array.nbytes for array in arrays) <= 2 * 4096 * (4096 * SHARE[dtype] + 16)
    assert arrays[1].dtype == dtype


@pytest.mark.parametrize("dtype", LEAST)
@pytest.mark.parametrize("size", [1e-44, 1e-30, 1e30])
def test_vectors_of_any_size_are_rounded_alike(dtype, size):
    vectors = np.array([[0.25, -1, 0.5], [1, 1, -0.125]]) * size
    engine = simplug.searches.build("exact", dtype=dtype).create(3, simplug.distances.build("euclidean"))
    engine.add(np.arange(2), vectors.astype(np.float32))
    np.testing.assert_allclose(engine.vectors(np.arange(2)), vectors, rtol=0, atol=5e-3 * size + 1e-38)


def _index(vectors, distance, search):
    index = simplug.Index.create(None, dim=vectors.shape[1], distance=distance, search=search, store="memory")
    index.add(vectors)
    return index
