"""What kills hnswlib or makes it lie, tried on it and on an index with the search ``hnsw``.

Each trial is run with hnswlib as its readme uses it, in a process of its own, to show that it is still needed; and with
an index in this process, which has to refuse it or to answer rightly.
"""

import subprocess
import sys
import threading

import numpy as np
import pytest

from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError

DIM = 32

BEGIN = f"""
import sys, threading
import numpy as np
import hnswlib
rng = np.random.default_rng(0)
vectors = rng.normal(size=(3000, {DIM})).astype(np.float32)
def made(count=3000, space="cosine", capacity=3000):
    index = hnswlib.Index(space=space, dim={DIM})
    index.init_index(max_elements=capacity)
    index.add_items(vectors[:count])
    return index
"""


def raw(code, *arguments):
    """Run lines with hnswlib; return the exit code, what was printed and what was said of an error."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(3000, DIM)).astype(np.float32)


@pytest.fixture
def index(vectors):
    with Index.create(None, dim=DIM, search="hnsw") as index:
        index.add(vectors[:300])
        yield index


def test_a_query_of_another_dimension(index):
    code, out, _ = raw(f"print(made(300).knn_query(np.ones((1, {2 * DIM}), dtype=np.float32), k=3)[0].shape)")
    assert (code, out) == (0, "(1, 3)")  # answered, without a word
    for dim in (1, DIM // 2, 2 * DIM):
        with pytest.raises(InvalidInputError, match=rf"shape \(n, {DIM}\), not \(1, {dim}\)"):
            index.lookup(np.ones((1, dim)))
        with pytest.raises(InvalidInputError, match=rf"shape \({DIM},\), not \({dim},\)"):
            index.single_lookup(np.ones(dim))


def test_a_use_before_it_is_ready(index):
    code, _, _ = raw(f"hnswlib.Index(space='l2', dim={DIM}).knn_query(vectors[:1], k=1)")
    assert code < 0  # killed by a signal
    index.close()
    with pytest.raises(InvalidInputError, match="is closed"):
        index.lookup(np.ones((1, DIM)))


def test_a_file_of_another_dimension(tmp_path, vectors, rewrite_manifest):
    code, out, _ = raw(
        f"""
made(300).save_index(sys.argv[1])
other = hnswlib.Index(space="l2", dim={DIM // 2})
other.load_index(sys.argv[1])
print(other.knn_query(vectors[:1, :{DIM // 2}], k=1)[0].shape)
""",
        tmp_path / "raw.bin",
    )
    assert (code, out) == (0, "(1, 1)")
    for dim in (DIM, DIM // 2):
        with Index.create(tmp_path / str(dim), dim=dim, store="memory") as index:
            index.add(vectors[:300, :dim])
    (own,), (others,) = ((tmp_path / str(dim) / "graph").iterdir() for dim in (DIM, DIM // 2))
    for file in own.iterdir():
        file.unlink()
    for file in others.iterdir():
        file.rename(own / file.name)
    with Index.open(tmp_path / str(DIM)) as index:
        assert index.stats()["opened"].startswith("built from 300 records")
        assert (index.lookup(vectors[:300], k=1).ids[:, 0] == np.arange(300)).all()


def test_rows_with_nan(index, vectors):
    _, out, _ = raw(
        """
vectors[::100] = np.nan
index = made()
whole = ~np.isnan(vectors).any(axis=1)
print((index.knn_query(vectors[whole], k=1)[0][:, 0] == np.flatnonzero(whole)).mean())
"""
    )
    assert float(out) < 0.9  # records no longer find themselves
    bad = vectors[:5].copy()
    for value, reason in ((np.nan, "holds NaN"), (np.inf, "holds infinity")):
        bad[3, 2] = value
        for call in (index.add, index.lookup):
            with pytest.raises(InvalidInputError, match=rf"\[3\] {reason}"):
                call(bad)
    assert len(index) == 300


def test_a_disk_that_is_full(tmp_path, vectors, largest_file):
    code, out, _ = raw("made().save_index('/dev/full'); print('saved')")
    assert (code, out) == (0, "saved")
    index = Index.create(tmp_path / "index", dim=DIM, store="memory")
    index.add(vectors)
    with largest_file(500_000), pytest.raises(ArtifactError, match="could not be written"):
        index.flush()
    index.close()
    with Index.open(tmp_path / "index") as index:
        assert len(index) == 3000


def test_a_file_with_flipped_bits(tmp_path, vectors):
    # Half of the header's flips end the process or make it answer wrongly; hnswlib itself checks nothing.
    code, out, _ = raw(
        """
made().save_index(sys.argv[1])
data = bytearray(open(sys.argv[1], "rb").read())
data[-200_000:-150_000] = bytes(50_000)
open(sys.argv[1], "wb").write(data)
index = hnswlib.Index(space="cosine", dim=32)
index.load_index(sys.argv[1])
print((index.knn_query(vectors, k=1)[0][:, 0] == np.arange(3000)).mean())
""",
        tmp_path / "raw.bin",
    )
    assert code != 0 or float(out) < 1
    with Index.create(tmp_path / "index", dim=DIM) as index:
        index.add(vectors[:300])
    (file,) = (tmp_path / "index").glob("graph/*/graph.bin")
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(10):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        with Index.open(tmp_path / "index", readonly=True) as index:
            assert "is damaged" in index.stats()["opened"]
            assert (index.lookup(vectors[:300], k=1).ids[:, 0] == np.arange(300)).all()


def together(*works):
    """Run functions in threads until the first has ended; return what they raised."""
    stop, errors = threading.Event(), []

    def forever(work):
        try:
            while not stop.is_set():
                work()
        except Exception as error:
            errors.append(error)

    first, *others = works
    threads = [threading.Thread(target=forever, args=(work,)) for work in others]
    for thread in threads:
        thread.start()
    try:
        first()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return errors


def test_growing_and_saving_under_queries(tmp_path, vectors):
    code, _, error = raw(
        """
index = made(1000, capacity=1000)
def ask():
    while True:
        index.knn_query(vectors[:200], k=5)
for _ in range(4):
    threading.Thread(target=ask, daemon=True).start()
for start in range(1000, 3000, 20):
    index.resize_index(start + 20)
    index.add_items(vectors[start:start + 20])
print("survived", flush=True)
import os
os._exit(0)
"""
    )
    assert code < 0 or "contiguous 2D array" in error
    with Index.create(tmp_path / "index", dim=DIM) as index:
        index.add(vectors[:1000])

        def change():
            for start in range(1000, 2000, 20):
                index.add(vectors[start : start + 20])
                index.remove([start])
                if start % 200 == 0:
                    index.flush()

        def ask():
            found = index.lookup(vectors[:200], k=5)
            assert (found.ids[:, 0] == np.arange(200)).all()

        assert together(change, *[ask] * 4) == []
        assert len(index) == 1950
        assert index.verify().ok


def test_more_neighbours_than_there_are(index, vectors):
    code, _, error = raw("made(3).knn_query(vectors[:1], k=5)")
    assert code == 1
    assert "Cannot return the results" in error
    index.remove(range(297))
    found = index.lookup(vectors[:2], k=5)
    assert found.filled.sum(axis=1).tolist() == [3, 3]
    index.remove([297, 298, 299])
    assert not index.lookup(vectors[:2], k=5).filled.any()
    for k in (0, -1, 2.5, True):
        with pytest.raises(InvalidInputError, match="k must be"):
            index.lookup(vectors[:2], k=k)


def test_ids_that_are_no_integers(index, vectors):
    code, out, _ = raw(
        "index = made(10)\nindex.add_items(vectors[:1], [12.7])\nprint(sorted(index.get_ids_list())[-1])"
    )
    assert (code, out) == (0, "12")
    for wrong in ([12.7], ["12"], [-1], [2**63]):
        with pytest.raises(InvalidInputError, match="ids"):
            index.add(vectors[:1], ids=wrong)
    assert len(index) == 300


def test_a_zero_vector_under_cosine(index):
    code, out, _ = raw(f"print(made(100).knn_query(np.zeros((1, {DIM})), k=3)[1].tolist())")
    assert (code, out) == (0, "[[1.0, 1.0, 1.0]]")  # neighbours of nothing
    for call in (index.add, index.lookup):
        with pytest.raises(InvalidInputError, match="is zero, which has no direction"):
            call(np.zeros((1, DIM)))


def test_vectors_beyond_single_precision(index, vectors):
    code, out, _ = raw(
        f"index = made(10)\nindex.add_items(np.full((1, {DIM}), 1e30), [15])\nprint(index.get_items([15])[0][0])"
    )
    assert (code, out) == (0, "0.0")  # stored as zeros
    (id_,) = index.add(np.full((1, DIM), 1e30))
    assert index.single_lookup(np.ones(DIM), k=1).ids.tolist() == [id_]
    with pytest.raises(InvalidInputError, match="too large for float32"):
        index.add(np.full((1, DIM), 1e60))


def test_collapsed_embeddings(vectors):
    copies = """
few = rng.normal(size=(20, 32)).astype(np.float32)
vectors = np.repeat(few, 150, axis=0)
index = made()
index.set_ef(64)
found = np.mean([index.knn_query(one[None], k=10)[1][0] < 1e-5 for one in few])
print(found)
"""
    code, out, _ = raw(copies)
    assert code != 0 or float(out) < 1
    few = vectors[:20]
    with Index.create(None, dim=DIM, search={"name": "hnsw", "ef": 64}) as index:
        index.add(np.repeat(few, 150, axis=0))
        assert (index.lookup(few, k=10).distances < 1e-5).all()
