"""When commits reach the disk, and what a machine that stops leaves of those that have not."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from simplug_lmdb import flushed
from simplug_lmdb.environment import Environment

import simplug
from simplug.api.store import Rows, no_rows
from simplug.kernel.errors import ArtifactError, ConfigError

DIM, PAGE = 16, 4096


def rows_of(first, count):
    rng = np.random.default_rng(first)
    rows = np.arange(first, first + count)
    payloads = [rng.bytes(int(size)) for size in rng.integers(0, 3000, count)]
    return Rows(rows, rows + 1000, rows % 7, rng.normal(size=(count, DIM)).astype(np.float32), payloads)


def content(records):
    rows, ids, labels = records.keys()
    return (
        rows.tolist(),
        ids.tolist(),
        labels.tolist(),
        records.embeddings(rows).tobytes(),
        records.payloads(rows),
        (records.sequence, records.last_row, records.last_id),
    )


def go_on(records, first, commits):
    """Add and remove records, so that pages become free and are used again."""
    for start in range(first, first + 20 * commits, 20):
        records.commit(rows_of(start, 20), records.keys()[0][:12])


def after_a_power_loss(folder, durable, rng):
    """Make a folder what a disk may hold: of each page what the last flush or any later commit had written."""
    present = bytearray((folder / "data.mdb").read_bytes())
    for start in range(0, len(present), PAGE):
        if rng.random() < 0.5:
            present[start : start + PAGE] = durable[start : start + PAGE].ljust(PAGE, b"\0")
    (folder / "data.mdb").write_bytes(present[: int(rng.integers(len(durable), len(present) + 1))])
    flushed.write(folder, flushed.Flushed("an earlier run of the system", flushed.read(folder).metas))


@pytest.mark.parametrize("seed", range(6))
def test_a_power_loss_goes_back_to_the_last_flush(tmp_path, seed):
    rng = np.random.default_rng(seed)
    records = simplug.stores.build("lmdb", sync="batch", batch=1000).open(tmp_path / "store", DIM)
    go_on(records, 0, 10)
    records.flush()
    go_on(records, 200, int(rng.integers(1, 30)))
    records.flush()
    expected, durable = content(records), (tmp_path / "store" / "data.mdb").read_bytes()
    go_on(records, 1000, int(rng.integers(1, 30)))
    for trial in range(4):
        folder = shutil.copytree(tmp_path / "store", tmp_path / f"copy-{trial}")
        after_a_power_loss(folder, durable, rng)
        with pytest.raises(ArtifactError, match="when the machine stopped; open the index for writing"):
            simplug.stores.build("lmdb").open(folder, DIM, create=False, readonly=True)
        again = simplug.stores.build("lmdb", sync=("always", "batch")[trial % 2]).open(folder, DIM, create=False)
        assert content(again) == expected
        go_on(again, 5000, 20)
        after = content(again)
        again.close()
        again = simplug.stores.build("lmdb").open(folder, DIM, create=False, readonly=True)
        assert content(again) == after
        again.close()
    records.close()


@pytest.mark.parametrize("sync", ["always", "batch", "never"])
def test_a_killed_process_loses_nothing(tmp_path, sync):
    records = simplug.stores.build("lmdb", sync=sync).open(tmp_path / "store", DIM)
    go_on(records, 0, 10)
    # What the system has of the files is what it has when the process is killed now.
    shutil.copytree(tmp_path / "store", tmp_path / "killed")
    expected = content(records)
    records.close()
    for readonly in (True, False):
        again = simplug.stores.build("lmdb").open(tmp_path / "killed", DIM, create=False, readonly=readonly)
        assert content(again) == expected
        again.close()
    assert not (tmp_path / "killed" / "flushed").exists()


def test_a_batch_is_flushed_when_it_is_full_and_when_the_store_is_closed(tmp_path):
    folder = tmp_path / "store"
    records = simplug.stores.build("lmdb", sync="batch", batch=5, map_size_mib=1).open(folder, DIM)
    seen = []
    for start in range(0, 300, 20):
        records.commit(rows_of(start, 20), no_rows())
        seen.append(flushed.read(folder).metas)
    # One flush for each five commits at least; the map grows now and then, which takes another.
    assert 3 <= len(set(seen)) <= 8
    expected = content(records)
    records.close()
    assert flushed.read(folder) is None
    records = simplug.stores.build("lmdb").open(folder, DIM, create=False)
    assert content(records) == expected
    records.close()


def test_a_damaged_note_of_the_last_flush_is_an_error_that_says_what_to_do(tmp_path):
    records = simplug.stores.build("lmdb", sync="batch").open(tmp_path / "store", DIM)
    shutil.copytree(tmp_path / "store", tmp_path / "killed")
    records.close()
    note = tmp_path / "killed" / "flushed"
    note.write_bytes(note.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtifactError, match="flushed is damaged; it says how to go back"):
        simplug.stores.build("lmdb").open(tmp_path / "killed", DIM, create=False)
    note.unlink()
    simplug.stores.build("lmdb").open(tmp_path / "killed", DIM, create=False).close()


def test_commits_wait_for_the_disk_where_the_system_does_not_tell_its_runs_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(flushed, "_BOOT", tmp_path / "absent")
    records = simplug.stores.build("lmdb", sync="batch").open(tmp_path / "store", DIM)
    go_on(records, 0, 3)
    assert flushed.read(tmp_path / "store") is None
    records.close()


def test_how_commits_reach_the_disk_has_three_names():
    with pytest.raises(ConfigError, match="'always', 'batch', 'never', not 'sometimes'"):
        simplug.stores.build("lmdb", sync="sometimes")


@pytest.fixture
def small_slices(monkeypatch):
    """Write additions in slices of a few records."""
    monkeypatch.setattr("simplug_lmdb.codec._SLICE_BYTES", 1 << 14)


def test_a_large_commit_that_fails_half_way_changes_nothing(tmp_path, monkeypatch, small_slices):
    records = simplug.stores.build("lmdb").open(tmp_path / "store", DIM)
    go_on(records, 0, 3)
    expected, calls, write = content(records), [], Environment.write

    def fail(self, change, *, room=0):
        calls.append(change)
        if 4 <= len(calls) <= 5:
            raise ArtifactError("the disk is full")
        return write(self, change, room=room)

    monkeypatch.setattr(Environment, "write", fail)
    with pytest.raises(ArtifactError, match="disk is full"):
        records.commit(rows_of(60, 200), no_rows())
    # What was written could not be taken away either, and still nobody sees it.
    assert len(calls) == 5
    assert content(records) == expected
    records.commit(rows_of(60, 200), np.array([50]))
    assert len(records) == len(expected[0]) + 199
    assert records.damage() == {}
    records.close()


def test_a_process_that_dies_within_a_large_commit_leaves_nothing_of_it(tmp_path, small_slices):
    records = simplug.stores.build("lmdb").open(tmp_path / "store", DIM)
    go_on(records, 0, 3)
    expected = content(records)
    records.close()
    code = (
        "import os, pathlib, sys, numpy as np, simplug\n"
        "from simplug.api.store import Rows, no_rows\n"
        "from simplug_lmdb import codec\n"
        "codec._SLICE_BYTES = 1 << 12\n"
        "encode, calls = codec.encode, []\n"
        "def dying(added, part):\n"
        "    calls.append(part)\n"
        "    return encode(added, part) if len(calls) < 9 else os._exit(7)\n"
        "codec.encode = dying\n"
        "records = simplug.stores.build('lmdb').open(pathlib.Path(sys.argv[1]), 16)\n"
        "rows = np.arange(60, 1060)\n"
        "records.commit(Rows(rows, rows, rows, np.ones((1000, 16), 'f4'), [b'x'] * 1000), no_rows())\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "store")], check=False)
    assert done.returncode == 7
    for readonly in (True, False):
        records = simplug.stores.build("lmdb").open(tmp_path / "store", DIM, create=False, readonly=readonly)
        assert content(records) == expected
        assert records.damage() == {}
        with pytest.raises(ArtifactError, match="row 70 is not in the store"):
            records.embeddings(np.array([70]))
        if not readonly:
            records.commit(rows_of(60, 100), np.array([59]))
            assert len(records) == len(expected[0]) + 99
        records.close()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's memory this way")
def test_a_large_commit_takes_little_memory_and_time(tmp_path):
    code = """
import pathlib, sys, threading, time
import numpy as np, simplug
from simplug.api.store import Rows, no_rows

def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) >> 10

count = 500_000
rows = np.arange(count)
added = Rows(rows, rows, rows % 100, np.ones((count, 64), np.float32), [b""] * count)
records = simplug.stores.build("lmdb").open(pathlib.Path(sys.argv[1]), 64)
before, seen, done = memory(), [], threading.Event()
watching = threading.Thread(target=lambda: [seen.append(memory()) for _ in iter(lambda: done.wait(0.01), True)])
watching.start()
started = time.process_time()
records.commit(added, no_rows())
seconds = time.process_time() - started
done.set()
watching.join()
records.close()
print(max(seen) - before, 1e6 * seconds / count)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "store")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    mebibytes, microseconds = map(float, done.stdout.split())
    assert mebibytes < 60
    assert microseconds < 15
