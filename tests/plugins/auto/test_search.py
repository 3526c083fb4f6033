"""Exact search while records are few, a graph when they are many."""

import numpy as np
import pytest

import simplug
from simplug.index.index import Index
from simplug.testing.prepared import Prepared


@pytest.fixture
def vectors():
    return np.random.default_rng(3).normal(size=(400, 6)).astype(np.float32)


def test_the_graph_takes_over_when_records_are_many_and_stays(vectors):
    search = simplug.searches.build("auto", limit=100)
    cosine = simplug.distances.build("cosine")
    engine = Prepared(search.create(6, cosine), cosine)
    engine.add(np.arange(100), vectors[:100])
    assert type(engine._used).__name__ == "ExactEngine"
    engine.remove(np.arange(10))
    engine.add(np.arange(100, 111), vectors[100:111])
    assert type(engine._used).__name__ == "HnswEngine"
    assert engine.rows().tolist() == list(range(10, 111))
    engine.remove(np.arange(10, 60))
    assert type(engine._used).__name__ == "HnswEngine"
    assert engine.search(vectors[60:70], 1)[0][:, 0].tolist() == list(range(60, 70))


def test_a_distance_that_the_graph_cannot_serve_is_searched_exactly(vectors):
    with Index.create(None, dim=6, distance="manhattan", search={"name": "auto", "limit": 10}) as index:
        index.add(vectors)
        true = np.argsort(index.distance.numpy(vectors[:5], vectors), axis=1)[:, :4]
        assert np.array_equal(index.lookup(vectors[:5], k=4).ids, true)


@pytest.mark.parametrize("count", [50, 400])
def test_either_structure_comes_back_from_the_disk(tmp_path, vectors, count):
    with Index.create(tmp_path / "index", dim=6, search={"name": "auto", "limit": 100}) as index:
        index.add(vectors[:count])
        index.remove([3])
        expected = index.lookup(vectors, k=5)
    with Index.open(tmp_path / "index") as index:
        few = ", then added 49 and removed 0 rows"
        assert index.stats()["opened"] == "loaded the saved search structure" + (few if count == 50 else "")
        found = index.lookup(vectors, k=5)
        assert np.array_equal(found.ids, expected.ids)
        assert np.array_equal(found.distances, expected.distances)


def test_the_effort_of_the_graph_is_tuned():
    rng = np.random.default_rng(0)
    search = {"name": "auto", "limit": 100, "many": {"name": "hnsw", "m": 4, "ef_construction": 10}}
    with Index.create(None, dim=16, search=search) as index:
        index.add(rng.normal(size=(2000, 16)))
        chosen = index.tune(recall=0.8).chosen
        assert index.search.many.ef == index.search.effort == chosen.effort
        assert chosen.recall >= 0.8
