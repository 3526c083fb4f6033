"""An index is looked after: tuned, verified, built anew, compacted, and its state told."""

import subprocess
import sys

import numpy as np
import pytest

from simplug.index import folder
from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError


def clustered(count, dim=16, seed=0, spread=0.5):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(40, dim))
    return (centres[rng.integers(40, size=count)] + spread * rng.normal(size=(count, dim))).astype(np.float32)


def recall_of(index, queries, k, ef):
    true = index.distance.numpy(queries, np.stack(index.to_columns()["embedding"]))
    farthest = np.sort(true, axis=1)[:, k - 1 : k]
    index._state.engine.tune(ef)
    return (index.lookup(queries, k=k).distances <= farthest + 1e-6).mean()


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_tuning_sets_the_least_effort_that_finds_enough_and_keeps_it(tmp_path, place):
    path = tmp_path / "index" if place == "disk" else None
    index = Index.create(path, dim=16, search={"name": "hnsw", "m": 4, "ef_construction": 20, "ef": 64})
    index.add(clustered(3000))
    queries = clustered(200, seed=1)
    tuning = index.tune(recall=0.9, k=5, queries=queries)
    assert (tuning.before, tuning.queries, tuning.k) == (64, 200, 5)
    assert [trial.effort for trial in tuning.trials] == sorted({trial.effort for trial in tuning.trials})
    assert tuning.chosen.recall >= 0.9
    assert all(trial.recall < 0.9 for trial in tuning.trials if trial.effort < tuning.chosen.effort)
    assert index.search.ef == tuning.chosen.effort
    for trial in tuning.trials:
        assert trial.recall == pytest.approx(recall_of(index, queries, 5, trial.effort), abs=1e-3)
    higher = index.tune(recall=0.97, k=5, queries=queries)
    assert higher.chosen.effort > tuning.chosen.effort
    if place == "memory":
        index.close()
        return
    expected = index.lookup(queries, k=5)
    index.close()
    with Index.open(path) as again:
        assert again.search.ef == higher.chosen.effort
        assert again.stats()["opened"] == "loaded the saved search structure"
        assert np.array_equal(again.lookup(queries, k=5).ids, expected.ids)


def test_tuning_takes_records_as_queries_and_leaves_each_out_of_its_own_neighbours():
    with Index.create(None, dim=16, search={"name": "hnsw", "ef": 10}) as index:
        index.add(clustered(1000))
        tuning = index.tune(recall=0.99, sample=100, seed=3)
        assert (tuning.queries, tuning.k) == (100, 10)
        assert index.tune(recall=0.99, sample=100, seed=3).chosen.recall == tuning.chosen.recall >= 0.99


def test_tuning_says_what_it_cannot_do_and_changes_nothing(tmp_path):
    with Index.create(None, dim=16, search="exact") as index:
        index.add(clustered(10))
        with pytest.raises(InvalidInputError, match="the search 'exact' finds the true neighbours already"):
            index.tune()
    with Index.create(tmp_path / "index", dim=8, search={"name": "hnsw", "m": 2, "ef_construction": 2}) as index:
        with pytest.raises(InvalidInputError, match="an index of 0 records cannot be tuned"):
            index.tune()
        index.add(np.random.default_rng(0).normal(size=(4000, 8)))
        with pytest.raises(
            InvalidInputError, match=r"no effort finds 1 of the true neighbours: 4000 finds 0\.\d+; a gr"
        ):
            index.tune(recall=1, sample=300)
        assert index.search.ef == 64
        for wrong in (0, 1.5, True, "much"):
            with pytest.raises(InvalidInputError, match="recall must be a number above 0 and at most 1"):
                index.tune(recall=wrong)
    reader = Index.open(tmp_path / "index", readonly=True)
    with reader, pytest.raises(InvalidInputError, match="readonly=True"):
        reader.tune()


def churned(path, pair, vectors):
    """Make an index in which most of what was ever added is gone."""
    index = Index.create(path, dim=vectors.shape[1], **pair)
    for start in range(5):
        index.add(vectors, labels=np.arange(len(vectors)) % 7, data=[{"n": n, "pad": "x" * 500} for n in range(200)])
        if start:
            index.remove(range((start - 1) * 200, start * 200))
    index.update(range(800, 850), embeddings=vectors[:50])
    index.calibrate(vectors[:50] + 0.01, np.arange(50) % 7)
    return index


def test_compacting_gives_space_back_and_changes_no_answer(tmp_path, vectors, pair):
    with churned(tmp_path / "index", pair, vectors) as index:
        index.flush()
        before, calibration = index.stats(), index.calibration
        expected, records = index.lookup(vectors, k=7), index.get(np.arange(800, 1000))
        index.compact()
        after = index.stats()
        assert after["removed"] == 0
        assert after["sequence"] == before["sequence"]
        assert index.calibration == calibration
        part = {"lmdb": "store", "memory": "records"}[pair["store"]]
        if part == "store":
            assert after["bytes"][part] < before["bytes"][part] / 2
        found = index.lookup(vectors, k=7)
        assert np.array_equal(found.distances, expected.distances)
        assert np.array_equal(found.ids, expected.ids)
        assert index.add(vectors[:1]).tolist() == [1000]
        index.remove([1000])
    with Index.open(tmp_path / "index") as index:
        again = index.get(np.arange(800, 1000))
        assert np.array_equal(again.embeddings, records.embeddings)
        assert (again.data, again.labels.tolist()) == (records.data, records.labels.tolist())
        assert np.array_equal(index.lookup(vectors, k=7).ids, expected.ids)
        index.compact()
        index.compact()
    if pair["store"] == "lmdb":
        assert [folder.name for folder in (tmp_path / "index" / "store").iterdir()] == ["3"]


def test_a_reader_goes_on_with_what_it_opened_while_the_writer_compacts(tmp_path, vectors):
    pair = {"search": "hnsw", "store": "lmdb"}
    churned(tmp_path / "index", pair, vectors).close()
    with Index.open(tmp_path / "index", readonly=True) as reader:
        expected = reader.get(np.arange(800, 1000))
        code = "import sys; from simplug.index.index import Index\nwith Index.open(sys.argv[1]) as i: i.compact()"
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "index")], check=True)
        assert np.array_equal(reader.get(np.arange(800, 1000)).embeddings, expected.embeddings)
        assert len(reader.lookup(vectors, k=3)) == len(vectors)


def test_a_reader_that_opens_while_the_writer_compacts_finds_the_new_records(tmp_path, vectors, monkeypatch):
    churned(tmp_path / "index", {"search": "hnsw", "store": "lmdb"}, vectors).close()
    code = "import sys; from simplug.index.index import Index\nwith Index.open(sys.argv[1]) as i: i.compact()"
    compacted = []

    def slow_store_folder(path, recipe, own=folder.store_folder):
        if not compacted:
            compacted.append(True)
            subprocess.run([sys.executable, "-c", code, str(tmp_path / "index")], check=True)
        return own(path, recipe)

    monkeypatch.setattr(folder, "store_folder", slow_store_folder)
    with Index.open(tmp_path / "index", readonly=True) as reader:
        assert len(reader.get(np.arange(800, 1000))) == 200
    assert compacted


def test_a_compaction_that_fails_leaves_the_index_as_it_was(tmp_path, vectors, largest_file):
    with churned(tmp_path / "index", {"search": "hnsw", "store": "lmdb"}, vectors) as index:
        expected = index.lookup(vectors, k=7)
        with largest_file(40_000), pytest.raises(ArtifactError, match="cannot be"):
            index.compact()
        assert [folder.name for folder in (tmp_path / "index" / "store").iterdir()] == ["0"]
        assert np.array_equal(index.lookup(vectors, k=7).ids, expected.ids)
        index.compact()
        assert np.array_equal(index.lookup(vectors, k=7).ids, expected.ids)


def test_a_graph_built_anew_has_no_removed_rows(tmp_path, vectors):
    with churned(tmp_path / "index", {"search": "hnsw", "store": "lmdb"}, vectors) as index:
        assert index.stats()["removed"] > 0
        expected = index.lookup(vectors, k=7)
        index.rebuild()
        assert index.stats()["removed"] == 0
        assert np.array_equal(index.lookup(vectors, k=7).ids, expected.ids)
    with Index.open(tmp_path / "index") as index:
        assert index.stats()["opened"] == "loaded the saved search structure"


def test_verification_finds_nothing_in_a_whole_index(tmp_path, vectors, pair):
    with churned(tmp_path / "index", pair, vectors) as index:
        index.flush()
        found = index.verify()
    assert found.ok
    assert (found.records, found.damaged, found.problems, found.self_recall) == (200, {}, (), 1.0)
    with Index.create(None, dim=4) as empty:
        assert empty.verify().self_recall is None


def test_verification_names_damaged_files(tmp_path, vectors):
    with churned(tmp_path / "index", {"search": "hnsw", "store": "memory"}, vectors) as index:
        index.flush()
        for name in ("graph/*/graph.bin", "records/*/labels.npy", "calibration.json"):
            (file,) = (tmp_path / "index").glob(name)
            data = bytearray(file.read_bytes())
            data[-40] ^= 4
            file.write_bytes(data)
        found = index.verify()
        assert not found.ok
        assert [problem.split(" is not as")[0].rsplit(" ", 1)[-1] for problem in found.problems] == [
            "graph.bin",
            "labels.npy",
            "it",
        ]


def test_verification_finds_a_graph_of_other_vectors(vectors):
    with Index.create(None, dim=8, search="hnsw") as index:
        index.add(vectors)
        engine = index.search.create(8, index.distance)
        others = np.concatenate([vectors[:5], -vectors[5:6], vectors[6:]])
        engine.add(np.arange(len(vectors)), index.distance.prepare(others))
        index._state.engine = engine
        found = index.verify()
        assert list(found.damaged) == [5]
        assert "another embedding than the store" in found.damaged[5]
        engine.remove(np.array([7]))
        assert "does not have the rows of the records" in index.verify().problems[0]
        index.rebuild()
        assert index.verify().ok


def test_the_stats_tell_sizes_on_the_disk(tmp_path, vectors):
    with Index.create(tmp_path / "index", dim=8) as index:
        index.add(vectors, labels=np.arange(200) % 9)
        index.flush()
        stats = index.stats()
    assert set(stats["bytes"]) == {"store", "graph"}
    assert 200 * 32 < stats["bytes"]["graph"] < 200_000
    assert stats["labels"] == 9
    assert Index.create(None, dim=8).stats()["bytes"] == {}
