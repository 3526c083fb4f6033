"""What is on disk: it comes back in a fresh process, and damage is noticed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError, UnknownComponentError

LOOKUP = """
import sys
import numpy as np
from simplug.index.index import Index

with Index.open(sys.argv[1], readonly=sys.argv[3] == "readonly") as index:
    found = index.lookup(np.load(sys.argv[2]), k=7)
    np.savez(sys.argv[4], ids=found.ids, distances=found.distances, labels=found.labels)
    print(index.stats()["opened"])
"""


def fill(path, vectors, pair):
    """Make an index with some records added, some updated and some removed; return its neighbours."""
    with Index.create(path, dim=8, **pair) as index:
        index.add(vectors[:100], labels=np.arange(100) % 5, data=[{"n": n} for n in range(100)])
        index.remove(range(10, 20))
        index.update([3, 4], embeddings=vectors[150:152])
        index.add(vectors[100:])
        return index.lookup(vectors, k=7)


def graph_of(path):
    """Return the folder of the newest saved search structure."""
    return max((path / "graph").iterdir(), key=lambda folder: int(folder.name))


def same(left, right):
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in ("ids", "distances", "labels"))


@pytest.mark.parametrize("mode", ["readonly", "writing"])
def test_a_fresh_process_gives_bit_equal_lookups(tmp_path, vectors, pair, mode):
    expected = fill(tmp_path / "index", vectors, pair)
    np.save(tmp_path / "queries.npy", vectors)
    arguments = [str(tmp_path / name) for name in ("index", "queries.npy")] + [mode, str(tmp_path / "found.npz")]
    done = subprocess.run([sys.executable, "-W", "error", "-c", LOOKUP, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ("loaded" if pair["search"] == "hnsw" else "built") in done.stdout
    found = np.load(tmp_path / "found.npz")
    assert np.array_equal(found["ids"], expected.ids)
    assert np.array_equal(found["distances"], expected.distances)
    assert np.array_equal(found["labels"], expected.labels)


def test_a_copy_is_complete_and_independent(tmp_path, vectors, pair):
    expected = fill(tmp_path / "index", vectors, pair)
    with Index.open(tmp_path / "index") as index:
        index.save(tmp_path / "copy")
        index.remove([0])
        with pytest.raises(ArtifactError, match="exists; pass overwrite=True"):
            index.save(tmp_path / "copy")
        with pytest.raises(InvalidInputError, match="folder of this index"):
            index.save(tmp_path / "index", overwrite=True)
    with Index.open(tmp_path / "copy") as copy:
        assert same(copy.lookup(vectors, k=7), expected)
        assert copy.get([3]).data == [{"n": 3}]
        assert 0 in copy


def test_an_index_in_memory_can_be_saved(tmp_path, vectors):
    with Index.create(None, dim=8, distance="euclidean", search="hnsw") as index:
        index.add(vectors, data=list(vectors))
        expected = index.lookup(vectors, k=7)
        index.save(tmp_path / "saved")
    with Index.open(tmp_path / "saved") as again:
        assert same(again.lookup(vectors, k=7), expected)
        assert np.array_equal(again.data_of([5])[0], vectors[5])


def test_an_open_writer_cannot_be_overwritten(tmp_path, vectors, pair):
    with Index.create(tmp_path / "a", dim=8, **pair) as first, Index.create(tmp_path / "b", dim=8, **pair) as second:
        first.add(vectors)
        with pytest.raises(InvalidInputError, match="open for writing"):
            second.save(tmp_path / "a", overwrite=True)
        with pytest.raises(InvalidInputError, match="open for writing"):
            Index.create(tmp_path / "a", dim=8, overwrite=True)
        assert len(first) == len(vectors)


def test_overwriting_makes_an_empty_index_and_keeps_other_folders(tmp_path, vectors, pair):
    fill(tmp_path / "index", vectors, pair)
    with pytest.raises(ArtifactError, match="exists; pass overwrite=True"):
        Index.create(tmp_path / "index", dim=4)
    with Index.create(tmp_path / "index", dim=4, overwrite=True) as index:
        assert len(index) == 0
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"no part of an index \(cat.jpg\)"):
        Index.create(tmp_path / "photos", dim=4, overwrite=True)
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_an_index_that_cannot_be_made_leaves_nothing(tmp_path, largest_file):
    with largest_file(1000), pytest.raises(ArtifactError, match="cannot be"):
        Index.create(tmp_path / "index", dim=8, store="lmdb")
    assert list(tmp_path.iterdir()) == []
    Index.create(tmp_path / "index", dim=8, store="lmdb").close()


def test_records_in_memory_are_on_disk_after_a_flush(tmp_path, vectors):
    index = Index.create(tmp_path / "index", dim=8, store="memory")
    index.add(vectors)
    index.flush()
    with Index.open(tmp_path / "index", readonly=True) as reader:
        assert len(reader) == len(vectors)
    index.close()


@pytest.mark.parametrize("store", ["memory", "lmdb"])
def test_a_flipped_bit_anywhere_in_the_saved_graph_means_a_rebuild_and_right_answers(tmp_path, vectors, store):
    expected = fill(tmp_path / "index", vectors, {"search": "hnsw", "store": store})
    for name in ("graph.bin", "graph.json", "removed.npy", "manifest.json"):
        file = graph_of(tmp_path / "index") / name
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 4
        file.write_bytes(data)
        with Index.open(tmp_path / "index") as index:
            assert index.stats()["opened"].startswith("built from 190 records: a saved search structure is damaged")
            found = index.lookup(vectors, k=7)
            assert np.array_equal(found.ids, expected.ids)
            np.testing.assert_allclose(found.distances, expected.distances, atol=1e-6)
        with Index.open(tmp_path / "index") as index:
            assert index.stats()["opened"] == "loaded the saved search structure"


@pytest.mark.parametrize("name", ["graph.bin", "graph.json", "manifest.json"])
def test_a_missing_or_empty_file_of_the_graph_means_a_rebuild(tmp_path, vectors, name):
    expected = fill(tmp_path / "index", vectors, {"search": "hnsw", "store": "lmdb"})
    for damage in (Path.unlink, lambda file: file.write_bytes(b"")):
        damage(graph_of(tmp_path / "index") / name)
        with Index.open(tmp_path / "index") as index:
            assert "built" in index.stats()["opened"]
            assert np.array_equal(index.lookup(vectors, k=7).ids, expected.ids)


def test_a_graph_of_an_earlier_commit_is_brought_up_to_date(tmp_path, vectors):
    fill(tmp_path / "index", vectors, {"search": "hnsw", "store": "lmdb"})
    saved = graph_of(tmp_path / "index")
    shutil.copytree(saved, tmp_path / "old")
    with Index.open(tmp_path / "index") as index:
        index.remove([0, 1])
        index.update([2], embeddings=vectors[199:200])
        index.add(vectors[:3])
        expected = index.lookup(vectors, k=7)
    shutil.rmtree(tmp_path / "index" / "graph")
    (tmp_path / "index" / "graph").mkdir()
    (tmp_path / "old").rename(saved)
    for readonly in (True, False):
        with Index.open(tmp_path / "index", readonly=readonly) as index:
            assert index.stats()["opened"] == "loaded the saved search structure, then added 4 and removed 3 rows"
            assert same(index.lookup(vectors, k=7), expected)


def test_the_graph_before_the_last_serves_when_the_last_is_damaged(tmp_path, vectors):
    fill(tmp_path / "index", vectors, {"search": "hnsw", "store": "lmdb"})
    for start in (0, 10, 20):
        with Index.open(tmp_path / "index") as index:
            index.add(vectors[start : start + 10])
            expected = index.lookup(vectors, k=7)
    assert len(list((tmp_path / "index" / "graph").iterdir())) == 2
    (graph_of(tmp_path / "index") / "graph.bin").write_bytes(b"damaged")
    with Index.open(tmp_path / "index") as index:
        assert re.fullmatch(
            r"loaded the saved search structure, then added 10 and removed 0 rows \(a saved .* is damaged \(.*\)\)",
            index.stats()["opened"],
        )
        assert same(index.lookup(vectors, k=7), expected)


def test_a_graph_of_records_that_went_another_way_is_not_used(tmp_path, vectors):
    fill(tmp_path / "index", vectors, {"search": "hnsw", "store": "lmdb"})
    shutil.copytree(tmp_path / "index", tmp_path / "backup")
    with Index.open(tmp_path / "index") as index:
        index.add(vectors[:5])
    shutil.rmtree(tmp_path / "backup" / "graph")
    with Index.open(tmp_path / "backup") as backup:
        backup.add(vectors[5:10])
        expected = backup.lookup(vectors, k=7)
    # The records come from the backup, the graph from what they were copied from.
    shutil.rmtree(tmp_path / "backup" / "graph")
    shutil.copytree(tmp_path / "index" / "graph", tmp_path / "backup" / "graph")
    with Index.open(tmp_path / "backup") as backup:
        assert "is not of these records" in backup.stats()["opened"]
        assert same(backup.lookup(vectors, k=7), expected)


def test_a_graph_of_other_settings_is_not_used(tmp_path, vectors, rewrite_manifest):
    fill(tmp_path / "index", vectors, {"search": "hnsw", "store": "lmdb"})
    manifest = tmp_path / "index" / "manifest.json"
    config = json.loads(manifest.read_text())["config"]
    rewrite_manifest(manifest, config={**config, "search": {**config["search"], "ef_construction": 100}})
    with Index.open(tmp_path / "index", readonly=True) as index:
        assert "made with ef_construction 200, not 100" in index.stats()["opened"]


def test_a_reader_leaves_the_folder_as_it_is(tmp_path, vectors, pair):
    fill(tmp_path / "index", vectors, pair)
    if pair["search"] == "hnsw":
        (graph_of(tmp_path / "index") / "graph.bin").write_bytes(b"damaged")

    def listing():
        # LMDB's lock table is where its readers enter themselves.
        files = (file for file in (tmp_path / "index").rglob("*") if file.is_file() and file.name != "lock.mdb")
        return {file: file.read_bytes() for file in files}

    before = listing()
    with Index.open(tmp_path / "index", readonly=True) as index:
        index.lookup(vectors)
        index.flush()
    assert listing() == before


@pytest.mark.parametrize("column", ["rows", "ids", "labels", "embeddings", "payloads", "ends"])
def test_a_flipped_bit_in_records_written_as_files_is_refused(tmp_path, vectors, column):
    fill(tmp_path / "index", vectors, {"search": "exact", "store": "memory"})
    (file,) = (tmp_path / "index" / "records").glob(f"*/{column}.npy")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"{column}.npy is not as it was written"):
        Index.open(tmp_path / "index")


@pytest.mark.parametrize("part", ["records", "store"])
def test_lost_records_are_an_error_and_no_empty_index(tmp_path, vectors, part):
    store = {"records": "memory", "store": "lmdb"}[part]
    fill(tmp_path / "index", vectors, {"search": "exact", "store": store})
    (tmp_path / "index" / part).rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(ArtifactError, match=r"records are missing|holds no records"):
            Index.open(tmp_path / "index")
    (tmp_path / "elsewhere").rename(tmp_path / "index" / part)
    with Index.open(tmp_path / "index") as index:
        assert len(index) == 190


def test_a_damaged_or_newer_manifest_is_refused(tmp_path, vectors, pair, rewrite_manifest):
    fill(tmp_path / "index", vectors, pair)
    manifest = tmp_path / "index" / "manifest.json"
    whole = manifest.read_text()
    config = json.loads(whole)["config"]
    for change, message in (
        (lambda: manifest.write_text(whole[:50]), "is damaged"),
        (lambda: manifest.write_text(whole.replace('"dim": 8', '"dim": 9')), "is not as it was written"),
        (lambda: rewrite_manifest(manifest, format=99), "format 99"),
        (lambda: rewrite_manifest(manifest, config={**config, "dim": 9}), r"dimension 8, not 9|do not fit together"),
    ):
        change()
        with pytest.raises(ArtifactError, match=message):
            Index.open(tmp_path / "index")
        manifest.write_text(whole)
    manifest.write_text(whole)
    Index.open(tmp_path / "index").close()


def test_an_index_without_its_plugin_says_who_had_it(tmp_path, vectors, rewrite_manifest):
    fill(tmp_path / "index", vectors, {"search": "exact", "store": "lmdb"})
    manifest = tmp_path / "index" / "manifest.json"
    values = json.loads(manifest.read_text())
    values["config"]["search"]["name"] = "absent"
    providers = {**values["providers"], "search:absent": "simplug-absent 2.0"}
    rewrite_manifest(manifest, config=values["config"], providers=providers)
    with pytest.raises(UnknownComponentError, match="pip install simplug-absent"):
        Index.open(tmp_path / "index")


def test_an_unfinished_folder_is_no_index(tmp_path, vectors, pair):
    fill(tmp_path / "index", vectors, pair)
    (tmp_path / "index" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="no saved index"):
        Index.open(tmp_path / "index")
    Index.create(tmp_path / "index", dim=8, overwrite=True).close()


def test_a_forgotten_index_warns(tmp_path):
    index = Index.create(tmp_path / "index", dim=8, store="memory")
    with pytest.warns(ResourceWarning, match="was never closed"):
        index.__del__()
    index.close()


def test_a_disk_that_takes_no_more_leaves_the_earlier_graph_and_loses_nothing(tmp_path, vectors, largest_file):
    fill(tmp_path / "index", vectors, {"search": "hnsw", "store": "lmdb"})
    index = Index.open(tmp_path / "index")
    index.add(vectors[:1])
    graph = graph_of(tmp_path / "index")
    before = (graph / "manifest.json").read_bytes()
    # The graph's own writer does not notice; its size does.
    with (
        largest_file(4096),
        pytest.raises(ArtifactError, match=r"graph.bin could not be written: \d+ of \d+ bytes are there"),
    ):
        index.close()
    assert (graph / "manifest.json").read_bytes() == before
    assert [file.name for file in (tmp_path / "index").rglob(".*")] == []
    with Index.open(tmp_path / "index") as again:
        assert len(again) == 191
        assert again.stats()["opened"] == "loaded the saved search structure, then added 1 and removed 0 rows"
