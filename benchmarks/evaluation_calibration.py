"""The calibration part of ``evaluation.py``: cut points of 10,000 queries, beyond the lookup, and of as many pairs.

    python benchmarks/evaluation.py --parts calibration

One sorted sweep stands beside tables of queries times thresholds, as TensorFlow Similarity builds them. It needs an
older Python and an older TensorFlow, so the other side here is a NumPy version of its algorithm, written from its
description, which is given the same matches; what TensorFlow Similarity itself took is printed as it was measured
elsewhere.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import simplug
from simplug.evaluation import calibrate_pairs
from simplug.evaluation.calibration import Calibration, calibrate

QUERIES, GALLERY, DIM, CLASSES = 10_000, 20_000, 64, 100
METRICS = ("f1", "precision", "recall")
ROUNDS = 5
ELSEWHERE = "TensorFlow Similarity 0.17.1 took 17.9 s and 1.2 GB more memory for 10,000 queries, measured elsewhere"


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure both sides, print what they take, and return it."""
    embeddings, labels = clusters(QUERIES + GALLERY, options.seed)
    queries, truth = embeddings[GALLERY:], labels[GALLERY:]
    with simplug.Index.create(None, dim=DIM, search="exact") as index:
        index.add(embeddings[:GALLERY], labels=labels[:GALLERY])
        lookup = best(lambda: index.lookup(queries, k=1))
        whole = best(lambda: index.calibrate(queries, truth))
        hits = index.lookup(queries, k=1)
    matched, distances = hits.labels[:, 0], hits.distances[:, 0].astype(np.float64)
    built = [simplug.metrics.build(name) for name in METRICS]

    def sweep() -> Calibration:
        return calibrate(
            truth, matched, distances, metric=built[0], extra_metrics=built[1:], k=1, matcher={"name": "nearest"}
        )

    swept, tables = best(sweep), best(lambda: by_tables(truth, matched, distances), rounds=1)
    ours, theirs = sweep().cut_points["optimal"], by_tables(truth, matched, distances)
    apart = abs(ours.scores["f1"] - theirs[1])
    print(f"calibration: {QUERIES} queries, {GALLERY} x {DIM} records", flush=True)
    print(f"  lookup {lookup:.2f} s, calibrate as a whole {whole:.2f} s", flush=True)
    print(f"  beyond the lookup: {swept:.4f} s, {memory(sweep):.1f} MB", flush=True)
    grown = memory(lambda: by_tables(truth, matched, distances))
    print(f"  tables of queries x thresholds in NumPy: {tables:.2f} s, {grown:.0f} MB", flush=True)
    print(f"  {tables / swept:.0f} times faster; the best f1 is {apart:.1e} apart", flush=True)
    print(f"  ({ELSEWHERE})", flush=True)
    targets = {"strict": {"far": 1e-3}, "precise": {"precision": 0.9}}

    def pairs() -> Calibration:
        return calibrate_pairs(queries, truth, targets=targets)

    paired = best(pairs, rounds=1)
    print(f"  pairs of the same queries, 2 targets with intervals: {paired:.1f} s, {memory(pairs):.0f} MB", flush=True)
    return {
        "lookup": lookup,
        "whole": whole,
        "sweep": swept,
        "tables": tables,
        "ratio": tables / swept,
        "apart": apart,
        "pairs": paired,
    }


def by_tables(truth: np.ndarray, matched: np.ndarray, distances: np.ndarray) -> tuple[float, float]:
    """Return the distance with the best f1, and that f1, by comparing every query with every threshold."""
    thresholds = np.unique(distances)
    right = (truth == matched)[:, None]
    within = distances[:, None] <= thresholds
    tp = np.sum(right & within, axis=0)
    fp = np.sum(~right & within, axis=0)
    fn = np.sum(right & ~within, axis=0)
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    at = int(np.flatnonzero(f1 == f1.max())[-1])
    return float(thresholds[at]), float(f1[at])


def clusters(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (count, DIM) float32 embeddings in clusters that overlap, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    centres = rng.normal(size=(CLASSES, DIM))[labels]
    return (centres + 1.8 * rng.normal(size=centres.shape)).astype(np.float32), labels


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the seconds of the quickest of several rounds."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def memory(work: Callable[[], object]) -> float:
    """Return the megabytes that Python and NumPy hold at most while some work is done."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6
