"""The walk over the pages of a file: it agrees with LMDB on healthy files, and finds damage before LMDB follows it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simplug
from simplug.api.store import Rows, no_rows
from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError

PAGE = 4096


def history(folder, dim, payload, rng):
    """Make a store with random commits; return its rows."""
    records = simplug.stores.build("lmdb", map_size_mib=1).open(folder, dim)
    present, last = np.empty(0, np.int64), 0
    for _ in range(int(rng.integers(1, 40))):
        count = int(rng.integers(1, 300))
        added = np.arange(last, last + count)
        last += count + int(rng.integers(3))
        kept = rng.random(len(present)) < rng.choice([0, 0.5, 0.9, 1])
        payloads = [bytes(int(size)) for size in rng.integers(0, payload, count)]
        rows = Rows(added, added + 1, added, rng.normal(size=(count, dim)).astype(np.float32), payloads)
        records.commit(rows, present[~kept])
        present = np.append(present[kept], added)
    records.close()
    return present


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("dim", "payload"), [(3, 1), (64, 200), (700, 1), (4, 9000)])
def test_no_healthy_file_is_refused(tmp_path, dim, payload, seed):
    rows = history(tmp_path / "store", dim, payload, np.random.default_rng(seed))
    records = simplug.stores.build("lmdb").open(tmp_path / "store", dim, create=False, readonly=True)
    assert np.array_equal(records.keys()[0], rows)
    assert records.damage() == {}
    assert records.embeddings(rows).shape == (len(rows), dim)
    assert len(records.payloads(rows)) == len(rows)
    records.close()


def test_lmdb_has_no_objection_to_what_is_accepted(tmp_path):
    pytest.importorskip("lmdb.verify", reason="this version of py-lmdb has no verifier")
    history(tmp_path / "store", 8, 500, np.random.default_rng(0))
    done = subprocess.run([sys.executable, "-m", "lmdb", "verify", str(tmp_path / "store")], capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def pages_of(file: Path, needle: bytes):
    """Return the numbers of the pages that hold some bytes."""
    data = file.read_bytes()
    return sorted({at // PAGE for at in range(len(data)) if data.startswith(needle, at)})


@pytest.fixture
def folder(tmp_path):
    """The folder of a closed store with 500 records, some of them large."""
    records = simplug.stores.build("lmdb").open(tmp_path / "store", 4)
    rows = np.arange(500)
    vectors = np.arange(2000, dtype=np.float32).reshape(500, 4)
    payloads = [b"large" * 2000 if row % 100 == 7 else b"" for row in rows]
    records.commit(Rows(rows, rows + 9000, rows % 5, vectors, payloads), no_rows())
    records.close()
    return tmp_path / "store"


def damage_page(file, number, kind):
    data = bytearray(file.read_bytes())
    random = np.random.default_rng(0).bytes(PAGE)
    data[number * PAGE : (number + 1) * PAGE] = {"zeros": bytes(PAGE), "random": random}[kind]
    file.write_bytes(data)


@pytest.mark.parametrize("kind", ["zeros", "random"])
@pytest.mark.parametrize("part", ["heads", "vectors"])
def test_a_damaged_page_costs_the_records_in_it_and_no_others(folder, part, kind):
    file = folder / "data.mdb"
    vector = np.array([800, 801, 802, 803], dtype=np.float32).tobytes()
    head = np.array([9200, 0]).tobytes()
    for number in pages_of(file, {"heads": head, "vectors": vector}[part]):
        damage_page(file, number, kind)
    records = simplug.stores.build("lmdb").open(folder, 4, create=False)
    rows, ids, _ = records.keys()
    assert np.array_equal(ids, rows + 9000)
    lost = dict(records.damage())
    for row in rows.tolist():
        try:
            assert records.embeddings(np.array([row])).tolist() == [[4 * row, 4 * row + 1, 4 * row + 2, 4 * row + 3]]
            assert len(records.payloads(np.array([row]))[0]) == (10_000 if row % 100 == 7 else 0)
        except ArtifactError as error:
            lost[row] = str(error)
    assert 200 in lost
    assert 10 < len(lost) < 300
    assert all(f"id {row + 9000} (row {row})" in message for row, message in lost.items())
    with pytest.raises(ArtifactError, match="a change might touch the damaged pages"):
        records.commit(None, rows[:1])
    assert len(records) == 500
    records.close()


def test_a_damaged_page_of_a_large_payload_costs_that_payload(folder):
    file = folder / "data.mdb"
    number = pages_of(file, b"large" * 20)[0]
    damage_page(file, number, "zeros")
    records = simplug.stores.build("lmdb").open(folder, 4, create=False)
    rows = records.keys()[0]
    bad = []
    for row in rows.tolist():
        try:
            records.payloads(np.array([row]))
        except ArtifactError as error:
            bad.append(row)
            assert f"the data of id {row + 9000} (row {row})" in str(error)  # noqa: PT017 - one of many rows
    assert len(bad) == 1
    assert len(records.embeddings(rows)) == 500
    records.close()


def test_a_list_of_free_pages_that_names_a_page_in_use_is_refused(folder):
    """LMDB would write the next commit over that page."""
    file = folder / "data.mdb"
    records = simplug.stores.build("lmdb").open(folder, 4, create=False)
    records.commit(None, np.arange(100))
    records.close()
    from simplug_lmdb.datafile import metas

    data, newer = bytearray(file.read_bytes()), metas(file)[1]
    leaf = newer.free.root * PAGE
    nodes = np.frombuffer(data, np.uint16, (int.from_bytes(data[leaf + 12 : leaf + 14], "little") - 16) // 2, leaf + 16)
    at = leaf + int(nodes[-1]) + 8 + 8 + 8
    data[at : at + 8] = newer.main.root.to_bytes(8, "little")
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"is damaged: a .*(free|use)"):
        simplug.stores.build("lmdb").open(folder, 4, create=False)


def test_a_damaged_meta_page_leads_to_the_same_records(folder):
    """LMDB then takes the older of the two, which a closed store has made as good."""
    from simplug_lmdb.datafile import metas

    file = folder / "data.mdb"
    newer = metas(file)[1].transaction
    data = bytearray(file.read_bytes())
    at = data.index(newer.to_bytes(8, "little"), (newer % 2) * PAGE + 16 + 120)
    data[at : at + 8] = bytes(8)
    file.write_bytes(data)
    records = simplug.stores.build("lmdb").open(folder, 4, create=False)
    assert (len(records), records.sequence) == (500, 1)
    records.commit(None, np.arange(100))
    assert len(records.embeddings(records.keys()[0])) == 400
    records.close()


def test_an_index_goes_on_without_its_damaged_records_and_reports_them(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    with Index.create(tmp_path / "index", dim=8, search="exact", store="lmdb") as index:
        index.add(vectors, labels=np.arange(300) % 7)
    file = tmp_path / "index" / "store" / "0" / "data.mdb"
    data = bytearray(file.read_bytes())
    for needle in (vectors[10].tobytes(), np.array([20, 6]).tobytes()):
        for number in pages_of(file, needle):
            data[data.index(needle, number * PAGE) + 1] ^= 1
    file.write_bytes(data)
    with Index.open(tmp_path / "index") as index:
        assert set(index.lookup(vectors, k=1).ids[:, 0].tolist()) == set(range(300)) - {10, 20}
        assert {10, 20}.isdisjoint(index.lookup(vectors, k=300, where={"label": [3, 6]}).ids.ravel().tolist())
        with pytest.raises(ArtifactError, match=r"the embedding of id 10 \(row 10\)"):
            index.get([10])
        with pytest.raises(InvalidInputError, match="20, which the index does not have"):
            index.get([20])
        found = index.verify()
        assert list(found.damaged) == [10]
        assert any("id and label of id 20 (row 20)" in problem for problem in found.problems)
        with pytest.raises(ArtifactError, match="is damaged"):
            index.compact()
        with pytest.raises(ArtifactError, match="is damaged"):
            index.save(tmp_path / "copy")
        index.update([10], embeddings=vectors[10:11], labels=[3], data=["new"])
        assert index.lookup(vectors[10:11], k=1).ids.tolist() == [[10]]
        index.remove([11])
        assert 11 not in index.lookup(vectors, k=1).ids
    with Index.open(tmp_path / "index") as index:
        assert len(index) == 298
        assert list(index.verify().damaged) == []
