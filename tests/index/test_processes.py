"""Several processes: one writer, many readers."""

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
