"""The graph search, and what its guards keep from the C++ code."""

import json

import numpy as np
import pytest
from simplug_hnsw import nodes

import simplug
from simplug.kernel.errors import ArtifactError, InvalidInputError
from simplug.testing.prepared import Prepared

COSINE = simplug.distances.build("cosine")
EUCLIDEAN = simplug.distances.build("euclidean")


def filled(search, vectors, distance=COSINE):
    engine = Prepared(search.create(vectors.shape[1], distance), distance)
    engine.add(np.arange(len(vectors)), vectors)
    return engine


@pytest.fixture
def vectors():
    return np.random.default_rng(3).normal(size=(400, 6)).astype(np.float32)


def test_more_neighbours_than_live_rows_are_padded(vectors):
    engine = filled(simplug.searches.build("hnsw"), vectors[:20])
    engine.remove(np.arange(15))
    rows, distances = engine.search(vectors[:3], 8)
    assert sorted(rows[0].tolist()) == [-1, -1, -1, 15, 16, 17, 18, 19]
    assert np.isinf(distances[:, 5:]).all()
    engine.remove(np.arange(15, 20))
    assert len(engine) == 0
    assert (engine.search(vectors[:3], 2)[0] == -1).all()


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "inner_product"])
def test_every_live_row_is_found_even_where_the_graph_does_not_lead(vectors, distance):
    # Hundreds of copies of few vectors: a graph of these is torn, and the binding gives up on the whole batch.
    distance = simplug.distances.build(distance)
    copies = np.repeat(vectors[:4], 150, axis=0)
    engine = filled(simplug.searches.build("hnsw", m=2, ef=1, ef_construction=1), copies, distance)
    engine.remove(np.arange(0, 600, 3))
    rows, distances = engine.search(vectors[:5], 400)
    assert np.array_equal(np.sort(rows, axis=1), np.tile(np.delete(np.arange(600), np.arange(0, 600, 3)), (5, 1)))
    true = np.sort(distance.numpy(vectors[:5], copies[rows[0]]), axis=1)
    np.testing.assert_allclose(distances, true, atol=1e-5)


def test_the_graph_grows_beyond_its_first_capacity():
    vectors = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    engine = Prepared(simplug.searches.build("hnsw").create(4, COSINE), COSINE)
    for start in range(0, 3000, 700):
        engine.add(np.arange(start, min(start + 700, 3000)), vectors[start : start + 700])
    assert len(engine) == 3000
    assert np.array_equal(engine.search(vectors, 1)[0][:, 0], np.arange(3000))


def test_the_same_additions_give_the_same_file(vectors, tmp_path):
    search = simplug.searches.build("hnsw")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        filled(search, vectors).save(tmp_path / name)
    assert (tmp_path / "a" / "graph.bin").read_bytes() == (tmp_path / "b" / "graph.bin").read_bytes()


def test_a_loaded_graph_answers_as_the_saved_one_and_goes_on(vectors, tmp_path):
    search = simplug.searches.build("hnsw", m=8)
    engine = filled(search, vectors[:300])
    engine.remove(np.arange(50))
    engine.save(tmp_path)
    loaded = Prepared(search.load(tmp_path, 6, COSINE), COSINE)
    assert len(loaded) == 250
    for left, right in zip(engine.search(vectors, 9), loaded.search(vectors, 9), strict=True):
        assert np.array_equal(left, right)
    loaded.add(np.arange(300, 400), vectors[300:])
    loaded.remove(np.array([399]))
    assert np.array_equal(loaded.search(vectors[300:399], 1)[0][:, 0], np.arange(300, 399))


@pytest.mark.parametrize(
    ("settings", "dim", "distance", "message"),
    [
        ({}, 5, "cosine", "dim 6, not 5"),
        ({}, 7, "cosine", "dim 6, not 7"),
        ({}, 6, "euclidean", "space ip, not l2"),
        ({"m": 8}, 6, "cosine", "m 16, not 8"),
        ({"ef_construction": 50}, 6, "cosine", "ef_construction 200, not 50"),
    ],
)
def test_a_graph_made_for_other_settings_is_refused(vectors, tmp_path, settings, dim, distance, message):
    filled(simplug.searches.build("hnsw"), vectors).save(tmp_path)
    with pytest.raises(ArtifactError, match=message):
        simplug.searches.build("hnsw", **settings).load(tmp_path, dim, simplug.distances.build(distance))


def test_a_graph_of_another_size_or_without_its_description_is_refused(vectors, tmp_path):
    search = simplug.searches.build("hnsw")
    filled(search, vectors).save(tmp_path)
    graph, about = tmp_path / "graph.bin", tmp_path / "graph.json"
    data = graph.read_bytes()
    graph.write_bytes(data[:-10])
    with pytest.raises(ArtifactError, match="bytes"):
        search.load(tmp_path, 6, COSINE)
    graph.write_bytes(data)
    about.write_text(json.dumps({**json.loads(about.read_text()), "count": 3}))
    with pytest.raises(ArtifactError, match="400 nodes, not 3"):
        search.load(tmp_path, 6, COSINE)
    about.unlink()
    with pytest.raises(ArtifactError, match="holds no graph"):
        search.load(tmp_path, 6, COSINE)


def test_a_distance_that_no_graph_can_serve_is_refused():
    with pytest.raises(InvalidInputError, match="spaces l2 and ip"):
        simplug.searches.build("hnsw").create(4, simplug.distances.build("manhattan"))


def test_vectors_of_another_width_never_reach_the_graph(vectors):
    engine = filled(simplug.searches.build("hnsw"), vectors)
    for width in (1, 12):
        with pytest.raises(InvalidInputError, match=r"must have shape \(n, 6\)"):
            engine.search(np.ones((2, width), dtype=np.float32), 3)


def test_recall_is_high_on_clustered_vectors():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, 16))
    vectors = (centres[rng.integers(0, 50, 4000)] + 0.5 * rng.normal(size=(4000, 16))).astype(np.float32)
    engine = filled(simplug.searches.build("hnsw"), vectors)
    rows, _ = engine.search(vectors[:200], 10)
    true = np.argsort(COSINE.numpy(vectors[:200], vectors), axis=1)[:, :10]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows.tolist(), true.tolist(), strict=True)]) > 0.98


def test_collapsed_embeddings_keep_their_recall():
    rng = np.random.default_rng(0)
    few = rng.normal(size=(20, 16)).astype(np.float32)
    collapsed = np.repeat(few, 500, axis=0)
    half = np.concatenate([np.repeat(few[:1], 3000, axis=0), rng.normal(size=(3000, 16)).astype(np.float32)])
    for vectors, queries in ((collapsed, few), (collapsed[rng.permutation(10_000)], few), (half, half[3000:3100])):
        engine = filled(simplug.searches.build("hnsw", ef=64), vectors)
        rows, distances = engine.search(queries, 10)
        true = np.sort(COSINE.numpy(queries, vectors), axis=1)[:, :10]
        np.testing.assert_allclose(distances, true, atol=1e-5)
        own = np.take_along_axis(COSINE.numpy(queries, vectors), rows, axis=1)
        np.testing.assert_allclose(own, true, atol=1e-5)
        assert all(len(set(row)) == 10 for row in rows.tolist())


def test_equal_vectors_share_a_node_until_the_last_of_them_is_removed():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(6, 4)).astype(np.float32)
    engine = filled(simplug.searches.build("hnsw"), vectors[[0, 1, 0, 2, 0]], EUCLIDEAN)
    engine.add(np.array([7, 8, 9]), vectors[[0, 3, 3]])
    assert (len(engine), engine._graph.get_current_count(), engine.removed) == (8, 4, 0)
    assert engine.search(vectors[:1], 4)[0].tolist() == [[0, 2, 4, 7]]
    engine.remove(np.array([0, 4]))
    assert engine.search(vectors[:1], 3)[0][0, :2].tolist() == [2, 7]
    assert engine.rows().tolist() == [1, 2, 3, 7, 8, 9]
    np.testing.assert_array_equal(engine.vectors(np.array([2, 7, 9])), vectors[[0, 0, 3]])
    engine.remove(np.array([2]))
    engine.remove(np.array([7]))
    assert (len(engine), engine.removed) == (4, 1)
    assert 0 not in engine.search(vectors[:1], 4)[0]
    engine.add(np.array([20, 21]), vectors[[0, 0]])
    assert engine.search(vectors[:1], 2)[0].tolist() == [[20, 21]]


def test_shared_nodes_come_back_from_disk(tmp_path):
    vectors = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    search = simplug.searches.build("hnsw")
    engine = filled(search, vectors[[0, 1, 0, 2, 0, 1]], EUCLIDEAN)
    engine.remove(np.array([0, 3]))
    engine.save(tmp_path)
    again = Prepared(search.load(tmp_path, 4, EUCLIDEAN), EUCLIDEAN)
    assert again.rows().tolist() == engine.rows().tolist() == [1, 2, 4, 5]
    assert len(again) == 4
    again.add(np.array([6]), vectors[:1])
    assert again.search(vectors[:1], 3)[0].tolist() == [[2, 4, 6]]


def test_a_hash_that_two_vectors_share_is_only_a_hint(monkeypatch):
    monkeypatch.setattr(nodes, "_contents", lambda vectors: np.zeros(len(vectors), dtype=np.int64))
    vectors = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    engine = filled(simplug.searches.build("hnsw"), vectors[[0, 1, 0, 2]], EUCLIDEAN)
    engine.add(np.array([4, 5]), vectors[[3, 0]])
    assert engine._graph.get_current_count() == 4
    assert engine.search(vectors[:1], 3)[0].tolist() == [[0, 2, 5]]
    engine.remove(np.array([0, 1]))
    engine.remove(np.array([2, 5]))
    engine.add(np.array([6]), vectors[:1])
    assert engine.search(vectors[:1], 1)[0].tolist() == [[6]]
    assert engine.rows().tolist() == [3, 4, 6]
