"""The graph index on the disk beside raw hnswlib: both sides in one run, alternating, as ratios.

    python benchmarks/index_graph.py                                   # 100,000 x 128, one thread
    python benchmarks/index_graph.py --count 1000000 --dim 64 --spread 0.5 --threads 2

Both sides get the same vectors in the same order, the same links, efforts and threads. `hnswlib` is used as its readme
says; this project's side is an index on the disk that is durable, checked and labelled. Times are of the processor
where one thread works, and of the clock otherwise.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hnswlib
import numpy as np

from simplug import Index

M, EF_CONSTRUCTION, K, SEED = 16, 200, 10, 0
CHUNK = 10_000
QUERIES = 1_000


def clustered(count: int, dim: int, spread: float, seed: int, clusters: int = 1000) -> np.ndarray:
    """Return (n, d) unit vectors around random centres; `spread` is the size of the noise beside that of a centre."""
    centres = np.random.default_rng(SEED).normal(size=(clusters, dim))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(clusters, size=count)] + spread * rng.normal(size=(count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def raw_graph(dim: int, capacity: int) -> hnswlib.Index:
    """Return an empty graph of hnswlib."""
    graph = hnswlib.Index(space="ip", dim=dim)
    graph.init_index(max_elements=capacity, M=M, ef_construction=EF_CONSTRUCTION, random_seed=100)
    return graph


def search_of(threads: int) -> dict[str, object]:
    """Return the search of this project's side."""
    return {"name": "hnsw", "m": M, "ef_construction": EF_CONSTRUCTION, "threads": threads}


def timed(clock: Callable[[], float], work: Callable[..., object], *arguments: object, **named: object) -> float:
    """Return how long some work takes."""
    started = clock()
    work(*arguments, **named)
    return clock() - started


def build(path: Path, vectors: np.ndarray, threads: int) -> tuple[hnswlib.Index, Index]:
    """Add the vectors to both in turn, chunk by chunk, and print the ratio of the times."""
    count, dim = vectors.shape
    raw, index = raw_graph(dim, count), Index.create(path, dim=dim, search=search_of(threads))
    labels = np.random.default_rng(1).integers(1000, size=count)
    times = np.zeros((2, 2))
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        ids = np.arange(start, min(start + CHUNK, count))
        for side, work in enumerate(
            (
                functools.partial(raw.add_items, vectors[part], ids, num_threads=threads),
                functools.partial(index.add, vectors[part], labels=labels[part]),
            )
        ):
            wall, processor = time.perf_counter(), time.process_time()
            work()
            times[side] += time.perf_counter() - wall, time.process_time() - processor
    ratios = times[1] / times[0]
    print(f"add {count} x {dim} in chunks of {CHUNK}, {threads} thread(s), durable when each returns:")
    print(
        f"  by the clock raw {times[0, 0]:.1f} s, index {times[1, 0]:.1f} s: ratio {ratios[0]:.3f} (goal: at most 1.15)"
    )
    print(f"  of the processor raw {times[0, 1]:.1f} s, index {times[1, 1]:.1f} s: ratio {ratios[1]:.3f}")
    return raw, index


def lookups(raw: hnswlib.Index, index: Index, queries: np.ndarray, rounds: int) -> None:
    """Print the times of lookups in batches and one by one, at the efforts that two recalls need."""
    index.lookup(queries[:1])
    for recall in (0.95, 0.99):
        tuning = index.tune(recall=recall, k=K, queries=queries)
        effort = tuning.chosen.effort
        raw.set_ef(effort)
        batch, single = [], []
        for _ in range(rounds):
            theirs = timed(time.process_time, lambda: raw.knn_query(queries, k=K))
            ours = timed(time.process_time, lambda: index.lookup(queries, k=K))
            batch.append((theirs, ours))
            theirs = timed(time.process_time, lambda: [raw.knn_query(query, k=K) for query in queries])
            ours = timed(time.process_time, lambda: [index.single_lookup(query, k=K) for query in queries])
            single.append((theirs, ours))
        print(f"ef {effort}: recall@{K} {tuning.chosen.recall:.4f} (asked for {recall})")
        theirs, ours = np.min(batch, axis=0) / len(queries) * 1e6
        ratio = np.median([ours / theirs for theirs, ours in batch])
        print(f"  batch of {len(queries)}: raw {theirs:.1f} us a query, index {ours:.1f} us;")
        print(f"    ratio {ratio:.3f}, the median of {rounds} rounds   (goal: at most 1.10)")
        theirs, ours = np.min(single, axis=0) / len(queries) * 1e6
        print(
            f"  one by one: raw {theirs:.1f} us, index {ours:.1f} us: {ours - theirs:.1f} us more   (goal: at most 10)"
        )
    rows, _ = raw.knn_query(queries, k=K)
    found = index.lookup(queries, k=K)
    same = float((found.ids == rows.astype(np.int64)).mean())
    print(f"neighbours that are the same on both sides: {same:.4f}")


def overhead(dim: int) -> None:
    """Print what a single lookup costs beside the search: in an index of one record there is nothing to search."""
    vector = clustered(1, dim, 1.0, 5)
    raw, index = raw_graph(dim, 10), Index.create(None, dim=dim, search="hnsw")
    raw.add_items(vector)
    index.add(vector)
    rounds = [
        (
            timed(time.process_time, lambda: [raw.knn_query(vector[0], k=1) for _ in range(2000)]) * 500,
            timed(time.process_time, lambda: [index.single_lookup(vector[0], k=1) for _ in range(2000)]) * 500,
        )
        for _ in range(15)
    ]
    theirs, ours = np.min(rounds, axis=0)
    print(f"a lookup in an index of one record: raw {theirs:.2f} us, index {ours:.2f} us: {ours - theirs:.1f} us more")


def open_and_close(path: Path) -> None:
    """Open an index to read it, and close it."""
    Index.open(path, readonly=True).close()


def opening(path: Path, raw_file: Path, dim: int, rounds: int) -> None:
    """Print the times of opening both from the disk."""
    (graph,) = path.glob("graph/*/graph.bin")
    theirs, ours, hashing = [], [], []
    for _ in range(rounds):
        theirs.append(timed(time.process_time, hnswlib.Index(space="ip", dim=dim).load_index, str(raw_file)))
        ours.append(timed(time.process_time, open_and_close, path))
        with graph.open("rb") as stream:
            hashing.append(timed(time.process_time, hashlib.file_digest, stream, "sha256"))
    raw_time, own, checksum = min(theirs), min(ours), min(hashing)
    print(f"open: raw {raw_time:.2f} s, index {own:.2f} s, of which checksum {checksum:.2f} s")
    print(f"  ratio without the checksum {(own - checksum) / raw_time:.2f}   (goal: at most 2)")


MEMORY = """
import sys
import numpy as np
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
if sys.argv[1] == "raw":
    import hnswlib
    before = resident()
    index = hnswlib.Index(space="ip", dim=int(sys.argv[3]))
    index.load_index(sys.argv[2])
    index.knn_query(np.ones(int(sys.argv[3]), dtype=np.float32))
else:
    from simplug import Index
    with Index.create(None, dim=2, search="hnsw") as small:
        small.add([[1, 2]])
    before = resident()
    index = Index.open(sys.argv[2], readonly=True)
    index.single_lookup(np.ones(int(sys.argv[3]), dtype=np.float32))
print((resident() - before) * 1024)
"""


def memory(path: Path, raw_file: Path, count: int, dim: int) -> None:
    """Print how much memory both take once they are open, each in a process of its own."""
    taken = {}
    for side, place in (("raw", raw_file), ("index", path)):
        command = [sys.executable, "-c", MEMORY, side, str(place), str(dim)]
        taken[side] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    limit = 1.2 * taken["raw"] + 64 * count
    print(f"memory when open: raw {taken['raw'] / 2**20:.0f} MiB, index {taken['index'] / 2**20:.0f} MiB;")
    print(f"  {(taken['index'] - 1.2 * taken['raw']) / count:.0f} bytes a record beyond 1.2 x raw   (goal: at most 64)")
    print(f"  {taken['index'] / limit:.2f} of the goal")


def main() -> None:
    """Run both sides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--spread", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where the files go; by default a temporary folder")
    options = parser.parse_args()
    print(
        f"clustered data, seed {SEED}, spread {options.spread}, M {M}, ef_construction {EF_CONSTRUCTION}; "
        f"{os.cpu_count()} cores"
    )
    overhead(options.dim)
    vectors = clustered(options.count, options.dim, options.spread, 1)
    queries = clustered(QUERIES, options.dim, options.spread, 2)
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        path, raw_file = Path(place) / "index", Path(place) / "raw.bin"
        raw, index = build(path, vectors, options.threads)
        raw.save_index(str(raw_file))
        lookups(raw, index, queries, options.rounds)
        index.close()
        del raw
        opening(path, raw_file, options.dim, 3)
        memory(path, raw_file, options.count, options.dim)


if __name__ == "__main__":
    main()
