"""The store in LMDB: growth, damage, and files that would end the process."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import simplug
from simplug.api.store import Rows, no_rows
from simplug.kernel.errors import ArtifactError, InvalidInputError

DIM = 4


def rows_of(first, count, payload=b"payload", seed=0):
    rng = np.random.default_rng(seed + first)
    rows = np.arange(first, first + count)
    embeddings = rng.normal(size=(count, DIM)).astype(np.float32)
    return Rows(
        rows, rows + 1000, rng.integers(-3, 9, count), embeddings, [payload + bytes([i % 251]) for i in range(count)]
    )


def read_all(records):
    """Return all records as a dictionary by row, and what is said of those that cannot be read."""
    rows, ids, labels = records.keys()
    found, damage = {}, records.damage()
    for row, id_, label in zip(rows.tolist(), ids.tolist(), labels.tolist(), strict=True):
        try:
            embedding, payload = records.embeddings(np.array([row])), records.payloads(np.array([row]))
            found[row] = id_, label, embedding.tobytes(), payload[0]
        except ArtifactError as error:
            damage[row] = str(error)
    return found, damage


def expected_of(added, rows):
    """Return some of added records as :func:`read_all` does."""
    return {
        row: (int(added.ids[i]), int(added.labels[i]), added.embeddings[i].tobytes(), added.payloads[i])
        for i, row in enumerate(added.rows.tolist())
        if row in rows
    }


@pytest.fixture
def store():
    return simplug.stores.build("lmdb", map_size_mib=1)


@pytest.fixture
def folder(tmp_path, store):
    """The folder of a closed store with 300 records, 20 of them removed."""
    records = store.open(tmp_path / "store", DIM)
    records.commit(rows_of(0, 300), no_rows())
    records.commit(None, np.arange(40, 60))
    records.close()
    return tmp_path / "store"


def test_records_come_back_after_reopening(store, folder):
    expected = rows_of(0, 300)
    records = store.open(folder, DIM, create=False, readonly=True)
    kept = np.delete(np.arange(300), np.arange(40, 60))
    rows, ids, labels = records.keys()
    assert np.array_equal(rows, kept)
    assert np.array_equal(ids, kept + 1000)
    assert np.array_equal(labels, expected.labels[kept])
    assert np.array_equal(records.embeddings(rows[::-1]), expected.embeddings[kept][::-1])
    assert records.payloads(rows) == [expected.payloads[row] for row in kept]
    assert (len(records), records.sequence, records.last_row, records.last_id) == (280, 2, 299, 1299)
    records.close()


def test_the_map_grows_by_itself(store, tmp_path):
    records = store.open(tmp_path / "store", DIM)
    for first in range(0, 4000, 1000):
        records.commit(rows_of(first, 1000, payload=bytes(2000)), no_rows())
    assert len(records) == 4000
    assert records.payloads(np.array([3999]))[0][:2000] == bytes(2000)
    records.close()
    assert (tmp_path / "store" / "data.mdb").stat().st_size > 8 << 20


def test_a_reader_follows_a_writer_whose_map_has_grown(store, folder):
    reader = store.open(folder, DIM, create=False, readonly=True)
    code = (
        "import sys, numpy as np, pathlib, simplug\n"
        "from simplug.api.store import Rows, no_rows\n"
        "records = simplug.stores.build('lmdb', map_size_mib=1).open(pathlib.Path(sys.argv[1]), 4)\n"
        "rows = np.arange(300, 2300)\n"
        "records.commit(Rows(rows, rows, rows, np.ones((2000, 4), 'f4'), [bytes(2000)] * 2000), no_rows())\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    assert len(reader) == 2280
    assert reader.payloads(np.array([2299])) == [bytes(2000)]
    reader.close()


def test_a_commit_with_an_unknown_row_changes_nothing(store, folder):
    records = store.open(folder, DIM)
    with pytest.raises(ArtifactError, match="row 45 is not in the store"):
        records.commit(rows_of(300, 5), np.array([3, 45]))
    assert (len(records), records.sequence, records.last_row) == (280, 2, 299)
    assert len(records.embeddings(np.array([3]))) == 1
    records.close()


def test_a_row_that_was_used_before_is_refused(store, folder):
    records = store.open(folder, DIM)
    with pytest.raises(ArtifactError, match="above all that were ever used"):
        records.commit(rows_of(45, 3), no_rows())
    assert len(records) == 280
    records.close()


@pytest.mark.parametrize(
    ("needle", "message"),
    [
        (rows_of(0, 300).embeddings[123].tobytes(), r"the embedding of id 1123 \(row 123\)"),
        (b"payload" + bytes([123]), r"the data of id 1123 \(row 123\)"),
        (np.array([1123, int(rows_of(0, 300).labels[123])]).tobytes(), r"id and label of id 1123 \(row 123\)"),
    ],
    ids=["embedding", "data", "id and label"],
)
def test_one_flipped_bit_is_noticed_and_the_record_named(store, folder, needle, message):
    file = folder / "data.mdb"
    data = bytearray(file.read_bytes())
    places = [at for at in range(len(data)) if data.startswith(needle, at)]
    assert places
    for at in places:
        data[at + 1] ^= 16
    file.write_bytes(data)
    records = store.open(folder, DIM, create=False)
    found, damage = read_all(records)
    records.close()
    assert list(damage) == [123]
    assert re.search(message, damage[123])
    assert found == expected_of(rows_of(0, 300), {*range(40), *range(60, 300)} - {123})


def test_no_single_flipped_bit_gives_wrong_records(store, folder):
    file = folder / "data.mdb"
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    expected = expected_of(rows_of(0, 300), {*range(40), *range(60, 300)})
    refused = named = 0
    for at in rng.integers(8192, len(whole), 120).tolist():
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        file.write_bytes(data)
        try:
            records = store.open(folder, DIM, create=False, readonly=True)
        except ArtifactError:
            refused += 1
            continue
        try:
            found, damage = read_all(records)
            assert found == {row: record for row, record in expected.items() if row not in damage}
            assert all(f"id {row + 1000} (row {row})" in message for row, message in damage.items())
            assert len(records) == len(expected)
            named += bool(damage)
        finally:
            records.close()
    assert named > 20
    assert refused < named


@pytest.mark.parametrize("mode", [{"readonly": True}, {"readonly": False}], ids=["reader", "writer"])
@pytest.mark.parametrize("kept", [0, 100, 5000, 0.3, 0.7])
def test_a_truncated_file_is_refused_instead_of_ending_the_process(store, folder, kept, mode):
    file = folder / "data.mdb"
    size = file.stat().st_size
    end = kept if isinstance(kept, int) else int(size * kept)
    os.truncate(file, end)
    with pytest.raises(ArtifactError, match=r"is damaged|too short"):
        store.open(folder, DIM, create=False, **mode)
    assert file.stat().st_size == end


@pytest.mark.parametrize("missing", [1, 4096, 8192, 12288, 16384, 20480])
def test_a_file_short_of_its_last_pages_is_refused_or_proven_whole(store, folder, missing):
    file = folder / "data.mdb"
    os.truncate(file, file.stat().st_size - missing)
    try:
        records = store.open(folder, DIM, create=False)
    except ArtifactError:
        return
    kept = np.delete(np.arange(300), np.arange(40, 60))
    rows, ids, _ = records.keys()
    assert np.array_equal(ids, kept + 1000)
    assert np.array_equal(records.embeddings(rows), rows_of(0, 300).embeddings[kept])
    for first in range(300, 600, 50):
        records.commit(rows_of(first, 50), rows[:10])
        rows = rows[10:]
    records.close()
    records = store.open(folder, DIM, create=False)
    assert len(records.embeddings(records.keys()[0])) == 280 + 300 - 60
    records.close()


def test_a_file_without_pages_that_were_never_written_is_whole(store, folder):
    """A killed writer may leave a file that lacks pages its last transaction gave back; nothing is lost with them."""
    import lmdb

    environment = lmdb.open(str(folder), max_dbs=4)
    with environment.begin(write=True) as transaction:
        spare = environment.open_db(b"spare", txn=transaction)
        transaction.put(b"large", bytes(200_000), db=spare)
    with environment.begin(write=True) as transaction:
        transaction.drop(spare)
    environment.close()
    file = folder / "data.mdb"
    whole = file.stat().st_size
    os.truncate(file, whole - 4096)
    with pytest.raises(ArtifactError, match="too short"):
        store.open(folder, DIM, create=False, readonly=True)
    records = store.open(folder, DIM, create=False)
    assert len(records.embeddings(records.keys()[0])) == 280
    records.commit(rows_of(300, 50), no_rows())
    records.close()
    assert file.stat().st_size >= whole
    store.open(folder, DIM, create=False, readonly=True).close()


@pytest.mark.parametrize("count", [200, 3000])
def test_a_store_that_was_emptied_is_not_taken_for_a_truncated_one(store, tmp_path, count):
    """Emptying takes pages at the end of the file and gives them back unwritten; LMDB's meta page counts them."""
    records = store.open(tmp_path / "store", DIM)
    records.commit(rows_of(0, count), no_rows())
    records.commit(None, np.arange(count))
    records.close()
    reader = store.open(tmp_path / "store", DIM, create=False, readonly=True)
    assert (len(reader), reader.last_row) == (0, count - 1)
    reader.close()


@pytest.mark.parametrize("first", [{}, {"readonly": True}])
def test_opening_twice_in_a_process_is_a_clear_error_if_one_writes(store, folder, first):
    records = store.open(folder, DIM, **first)
    with pytest.raises(InvalidInputError, match="open in this process already"):
        store.open(folder, DIM)
    records.close()
    store.open(folder, DIM).close()


def test_readers_of_one_process_share_and_close_in_any_order(store, folder):
    first, second = (store.open(folder, DIM, create=False, readonly=True) for _ in range(2))
    first.close()
    assert len(second) == 280
    second.close()


def test_another_dimension_is_refused(store, folder):
    with pytest.raises(ArtifactError, match="dimension 4, not 5"):
        store.open(folder, 5)


def test_a_folder_with_other_files_is_refused(store, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="holds other files"):
        store.open(tmp_path, DIM)
    (tmp_path / "data.mdb").write_bytes(b"mine" * 5000)
    with pytest.raises(ArtifactError, match="does not begin as an LMDB file"):
        store.open(tmp_path, DIM)


@pytest.mark.parametrize("options", [{"create": False}, {"readonly": True}])
def test_lost_records_are_no_new_store(store, tmp_path, options):
    with pytest.raises(ArtifactError, match="holds no records"):
        store.open(tmp_path / "store", DIM, **options)
    assert not (tmp_path / "store").exists()


def test_use_after_a_fork_is_a_clear_error(store, folder):
    code = (
        "import os, pathlib, sys, simplug\n"
        "records = simplug.stores.build('lmdb').open(pathlib.Path(sys.argv[1]), 4)\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        len(records)\n"
        "    except simplug.api.InvalidInputError as error:\n"
        "        print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print(len(records))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert "cannot be used after a fork" in done.stdout
    assert done.stdout.endswith("\n280\n")


def test_a_store_needs_a_folder(store):
    with pytest.raises(InvalidInputError, match="needs a path"):
        store.open(None, DIM)
