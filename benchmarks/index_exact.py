"""Exact search beside a flat index of faiss: both sides in one process, alternating, as ratios.

    python benchmarks/index_exact.py                                   # 100,000 x 128, one thread
    python benchmarks/index_exact.py --count 1000000 --dim 64 --rounds 5
    python benchmarks/index_exact.py --dtypes float16 int8             # the recall of rounded vectors

Both sides get the same unit vectors, clustered as embeddings of classes are, the same queries and the same threads.
faiss comes from the folder `--peer`, where it is installed if it is neither there nor importable. Times are of the
processor where one thread works, and of the clock otherwise; a round times both sides, and the ratio is the median of
those of the rounds.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from index_graph import QUERIES, K, clustered, timed
from threadpoolctl import threadpool_limits

import simplug
from simplug.testing.prepared import Prepared

PEER = "faiss-cpu==1.15.1"
ROUND_SECONDS = 0.2
"""What a round of one side takes, if a lookup takes no longer."""


def peer(folder: Path) -> Any:
    """Return the module faiss, which works with the NumPy of this process."""
    sys.path.append(str(folder))
    try:
        import faiss
    except ImportError:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), PEER], check=True
        )
        importlib.invalidate_caches()
        import faiss
    return faiss


def engine_of(distance: str, vectors: np.ndarray, **settings: object) -> Prepared:
    """Return an exact engine with these vectors as rows 0, 1, 2 ..."""
    measured = simplug.distances.build(distance)
    engine = Prepared(simplug.searches.build("exact", **settings).create(vectors.shape[1], measured), measured)
    engine.add(np.arange(len(vectors)), vectors)
    return engine


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], clock: Any, rounds: int) -> None:
    """Print the times of both sides and their ratio."""
    ours(), theirs()
    once = max(timed(clock, ours), timed(clock, theirs), 1e-6)
    repeats = max(1, int(ROUND_SECONDS / once))
    times = (
        np.array(
            [
                [timed(clock, lambda side=side: [side() for _ in range(repeats)]) for side in (ours, theirs)]
                for _ in range(rounds)
            ]
        )
        / repeats
    )
    ratio, (own, other) = np.median(times[:, 0] / times[:, 1]), times.min(axis=0) * 1e6
    print(f"  {name}: faiss {other:,.1f} us, exact {own:,.1f} us: ratio {ratio:.2f}", flush=True)


def _search_next(search: Callable[[np.ndarray, int], object], turns: Iterator[np.ndarray]) -> None:
    search(next(turns), K)


def speed(faiss: Any, vectors: np.ndarray, queries: np.ndarray, clock: Any, rounds: int) -> None:
    """Print the ratios for single queries and for a batch."""
    dim = vectors.shape[1]
    for distance, flat in (("cosine", faiss.IndexFlatIP(dim)), ("euclidean", faiss.IndexFlatL2(dim))):
        flat.add(vectors)
        engine = engine_of(distance, vectors)
        print(f"{distance}, {len(vectors)} x {dim}, k {K} (goal: at most 1.10)")
        for name, asked in (("one query", [query[None] for query in queries]), (f"batch of {len(queries)}", [queries])):
            turns = itertools.cycle(asked), itertools.cycle(asked)
            ours = functools.partial(_search_next, engine.search, turns[0])
            compare(name, ours, functools.partial(_search_next, flat.search, turns[1]), clock, rounds)
        same = np.mean(engine.search(queries, K)[0] == flat.search(queries, K)[1])
        print(f"  neighbours that are the same on both sides: {same:.4f}")


def recalls(vectors: np.ndarray, queries: np.ndarray, dtypes: list[str]) -> None:
    """Print how many of the true neighbours an index with rounded vectors finds."""
    true, _ = engine_of("cosine", vectors).search(queries, K)
    for dtype in dtypes:
        search = {"name": "exact", "dtype": dtype}
        index = simplug.Index.create(None, dim=vectors.shape[1], search=search, store="memory")
        index.add(vectors)
        found = index.lookup(queries, k=K).ids
        recall = np.mean([np.isin(one, other).mean() for one, other in zip(found, true, strict=True)])
        print(f"dtype {dtype}: recall@{K} {recall:.4f}")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--spread", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dtypes", nargs="+", default=[], metavar="DTYPE", help="print their recalls instead")
    parser.add_argument("--peer", type=Path, default=Path(tempfile.gettempdir()) / "simplug-benchmark-faiss")
    options = parser.parse_args()
    vectors = clustered(options.count, options.dim, options.spread, options.seed + 1)
    queries = clustered(QUERIES, options.dim, options.spread, options.seed + 2)
    if options.dtypes:
        recalls(vectors, queries, options.dtypes)
        return
    faiss = peer(options.peer)
    faiss.omp_set_num_threads(options.threads)
    print(f"seed {options.seed}, {options.threads} thread(s)")
    with threadpool_limits(options.threads):
        speed(faiss, vectors, queries, time.process_time if options.threads == 1 else time.perf_counter, options.rounds)


if __name__ == "__main__":
    main()
