"""Several processes, and processes that die: one writer, many readers, nothing acknowledged is lost."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from simplug.index.index import Index
from simplug.kernel.errors import InvalidInputError

HOLD = """
import sys
from simplug.index.index import Index

index = Index.open(sys.argv[1], readonly=len(sys.argv) > 2)
print("open", flush=True)
sys.stdin.read()
index.close()
"""

WRITE = """
import sys
import numpy as np
from simplug.index.index import Index

index = Index.open(sys.argv[1])
rng = np.random.default_rng(int(sys.argv[2]))
step = 0
while True:
    first = index.add(rng.normal(size=(20, 8)), labels=np.full(20, step), data=[{"step": step}] * 20)[0]
    print("add", first, flush=True)
    index.remove([first])
    print("remove", first, flush=True)
    index.update([first + 1], labels=[10_000 + step])
    print("update", first + 1, 10_000 + step, flush=True)
    if step % 3 == 0:
        index.flush()
    step += 1
"""


@pytest.fixture
def hold():
    """Open an index in another process; it is closed when the test ends."""
    started = []

    def start(path, *mode):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path), *mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        process.communicate()


def test_a_second_writer_is_refused_with_the_process_number_of_the_first(tmp_path, vectors, pair, hold):
    with Index.create(tmp_path / "index", dim=8, **pair) as index:
        index.add(vectors)
        with pytest.raises(InvalidInputError, match=rf"open for writing in process {os.getpid()} \(this one\)"):
            Index.open(tmp_path / "index")
    writer = hold(tmp_path / "index")
    with pytest.raises(InvalidInputError, match=f"open for writing in process {writer.pid}; close it there"):
        Index.open(tmp_path / "index")
    with Index.open(tmp_path / "index", readonly=True) as reader:
        assert len(reader) == len(vectors)


def test_readers_are_many_in_this_process_and_in_others(tmp_path, vectors, pair, hold):
    with Index.create(tmp_path / "index", dim=8, **pair) as index:
        index.add(vectors)
        index.flush()
        hold(tmp_path / "index", "readonly")
    hold(tmp_path / "index", "readonly")
    with Index.open(tmp_path / "index", readonly=True) as one, Index.open(tmp_path / "index", readonly=True) as two:
        assert np.array_equal(one.lookup(vectors).ids, two.lookup(vectors).ids)
        one.close()
        assert two.get([3]).labels.tolist() == [-1]


def test_a_reader_is_told_when_the_writer_has_removed_what_it_asks_for(tmp_path, vectors, hold):
    with Index.create(tmp_path / "index", dim=8, store="lmdb") as index:
        index.add(vectors)
    code = "import sys; from simplug.index.index import Index\nwith Index.open(sys.argv[1]) as i: i.remove([3])"
    with Index.open(tmp_path / "index", readonly=True) as reader:
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "index")], check=True)
        assert 3 in reader.lookup(vectors[3:4], k=1).ids
        with pytest.raises(InvalidInputError, match="changed by its writer since it was opened"):
            reader.get([3])
        assert len(reader.get([4])) == 1
        with pytest.raises(InvalidInputError, match="changed by its writer since it was opened"):
            reader.save(tmp_path / "copy")
    assert [file.name for file in tmp_path.iterdir()] == ["index"]


def test_the_lock_ends_with_its_process(tmp_path, hold):
    Index.create(tmp_path / "index", dim=8).close()
    writer = hold(tmp_path / "index")
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    Index.open(tmp_path / "index").close()


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path, search):
    path = tmp_path / "index"
    Index.create(path, dim=8, search=search, store="lmdb").close()
    present, labels, last = set(), {}, -1
    rng = np.random.default_rng(0)
    for round_ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(path), str(round_)], stdout=subprocess.PIPE, text=True
        )
        lines = [writer.stdout.readline() for _ in range(int(rng.integers(5, 40)))]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines(keepends=True)
        writer.wait()
        writer.stdout.close()
        for line in (line.split() for line in lines if line.endswith("\n")):
            number = int(line[1])
            if line[0] == "add":
                present |= set(range(number, number + 20))
                last = number + 19
            elif line[0] == "remove":
                present.discard(number)
            else:
                labels[number] = int(line[2])
        with Index.open(path) as index:
            records = index.get(index.to_columns()["id"])
            found = set(records.ids.tolist())
            # One more change may have been committed than its writer could tell of.
            missing, extra = present - found, found - present
            assert len(missing) <= 1
            assert len(extra) in (0, 20)
            known = dict(zip(records.ids.tolist(), records.labels.tolist(), strict=True))
            assert all(known[id_] == label for id_, label in labels.items() if id_ in found)
            hits = index.lookup(records.embeddings, k=1)
            assert np.array_equal(hits.ids[:, 0], records.ids)
            assert index.add(np.ones((1, 8)))[0] > last
            index.remove(index.to_columns()["id"][-1:])
            present = set(index.to_columns()["id"].tolist())
            labels = {id_: label for id_, label in known.items() if id_ in present and label >= 10_000}
