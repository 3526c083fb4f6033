"""Disks that are full or may not be written, folders that go away, clocks that go back, and many readers at once."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError

PROGRAM = Path(__file__).parent / "programs" / "disk.py"
NOT_ALLOWED = 77


def on_a_disk_of_its_own(what, folder, store, times=1):
    """Run the program that mounts a disk for itself; return what it prints."""
    arguments = [sys.executable, str(PROGRAM), what, str(folder), store, str(times)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode == NOT_ALLOWED:
        pytest.skip("this process may not mount file systems, and root is not kept out by permission bits")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("store", ["lmdb", "memory"])
def test_a_full_disk_refuses_changes_and_loses_nothing(tmp_path, store):
    """Records in memory may lose what was not flushed, and nothing else."""
    assert "refusals" in on_a_disk_of_its_own("full", tmp_path, store)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["lmdb", "memory"])
def test_a_disk_that_is_full_again_and_again_loses_nothing(tmp_path, store, faults):
    assert "refusals" in on_a_disk_of_its_own("full", tmp_path, store, times=4 * faults)


@pytest.mark.parametrize("store", ["lmdb", "memory"])
def test_an_index_on_a_disk_that_may_not_be_written_can_be_read(tmp_path, store):
    said = on_a_disk_of_its_own("readonly", tmp_path, store)
    assert said.startswith("ArtifactError")
    assert "cannot be written" in said


def test_a_folder_that_is_removed_while_it_is_open_is_an_error_and_no_new_index(tmp_path, vectors, pair):
    index = Index.create(tmp_path / "index", dim=8, **pair)
    index.add(vectors)
    index.flush()
    shutil.rmtree(tmp_path / "index")
    assert index.lookup(vectors, k=1).ids[:, 0].tolist() == list(range(200))
    assert np.array_equal(index.get([3]).embeddings, vectors[3:4])
    if pair["store"] == "lmdb":
        with pytest.raises(ArtifactError, match="was removed while it was open"):
            index.add(vectors)
        assert len(index) == 200
    with pytest.raises(ArtifactError, match="was removed while it was open"):
        index.close()
    assert not (tmp_path / "index").exists()


def test_a_clock_that_goes_back_changes_nothing(tmp_path, vectors, pair, monkeypatch):
    """Which files count is decided by their numbers, never by their times."""
    now = time.time()
    for start, clock in ((0, now + 1e8), (50, now - 1e8), (100, now + 1e7)):
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda clock=clock: clock)
            make = Index.open if start else lambda path: Index.create(path, dim=8, **pair)
            with make(tmp_path / "index") as index:
                index.add(vectors[start : start + 50])
                index.remove([start])
        for file in (tmp_path / "index").rglob("*"):
            os.utime(file, (clock, clock))
    with Index.open(tmp_path / "index") as index:
        assert index.to_columns()["id"].tolist() == [id_ for id_ in range(150) if id_ % 50]
        assert index.lookup(vectors[1:50], k=1).ids[:, 0].tolist() == list(range(1, 50))
        if pair["search"] == "hnsw":
            assert index.stats()["opened"] == "loaded the saved search structure"


def readers_and_a_writer(path, pair, seconds):
    """Let eight threads look things up while one changes the index; return what went wrong, and what was done."""
    rng = np.random.default_rng(0)
    fixed = rng.normal(size=(200, 8)).astype(np.float32)
    moving = -np.abs(rng.normal(size=(200, 8))).astype(np.float32)
    fixed = np.abs(fixed)
    problems, stop, done = [], threading.Event(), [0] * 9

    def ask(number):
        own = np.random.default_rng(number)
        try:
            while not stop.is_set():
                asked = own.choice(200, size=10, replace=False)
                found = index.lookup(fixed[asked], k=2)
                if found.ids[:, 0].tolist() != asked.tolist() or found.labels[:, 0].tolist() != (asked % 5).tolist():
                    problems.append(f"{found.ids[:, 0]} for {asked}")
                if not np.array_equal(index.get(asked).embeddings, fixed[asked]):
                    problems.append(f"other embeddings of {asked}")
                filtered = index.lookup(fixed[asked[:2]], k=3, where={"label": [9]})
                if not set(filtered.labels[filtered.filled].tolist()) <= {9}:
                    problems.append("a label that the filter refuses")
                done[number] += 1
        except Exception as error:
            problems.append(repr(error))

    with Index.create(path, dim=8, **pair) as index:
        index.add(fixed, labels=np.arange(200) % 5)
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not problems:
            ids = index.add(moving, labels=np.full(200, 9))
            index.update(ids[:20], embeddings=moving[20:40])
            index.remove(ids[10:])
            if done[8] % 4 == 3:
                index.remove(index.to_columns()["id"][200:])
                index.compact()
            index.flush()
            done[8] += 1
        stop.set()
        for thread in threads:
            thread.join()
        assert index.verify().ok
    return problems, done


def test_eight_readers_and_a_writer_agree(in_memory):
    problems, done = readers_and_a_writer(in_memory / "index", {"search": "hnsw", "store": "lmdb"}, 1.5)
    assert problems == []
    assert min(done) > 0


@pytest.mark.slow
def test_eight_readers_and_a_writer_agree_for_a_minute(in_memory, pair):
    problems, done = readers_and_a_writer(
        in_memory / "index", pair, 60 if pair == {"search": "hnsw", "store": "lmdb"} else 5
    )
    print(pair, done)
    assert problems == []
    assert min(done) > 10
