"""The pairs part of ``evaluation.py``: ROC and TAR@FAR over 20,000 x 20,000 pairs, counted in blocks.

    python benchmarks/evaluation.py --parts pairs

The other side keeps the distance of every pair and gives them to scikit-learn's ``roc_curve``, which is what does
without blocks; 400 million pairs take it more than ten gigabytes, so it is measured on fewer. There, both sides are
compared: their ROC-AUC, and TAR at the same FAR. Each side is a process of its own on the same cores, times itself from
arrays to values, and tells its peak memory above that of the arrays and the imports.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

FULL, FEWER = 20_000, 4_000
DIM, CLASSES = 128, 200
RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure both sides, print what they take, and return it."""
    full = ask("simplug", FULL, options)
    ours, theirs = ask("simplug", FEWER, options), ask("scikit-learn", FEWER, options)
    apart = {name: abs(ours["scores"][name] - theirs["scores"][name]) for name in ours["scores"]}
    print(f"pairs: {FULL} x {FULL} of {DIM} dimensions, cosine", flush=True)
    print(f"  ROC-AUC, EER and TAR@FAR: {full['seconds']:.1f} s, {full['megabytes']:.0f} MB", flush=True)
    print(f"  {', '.join(f'{name} {value:.5f}' for name, value in full['scores'].items())}", flush=True)
    print(f"  with {FEWER} x {FEWER}: {ours['seconds']:.2f} s, {ours['megabytes']:.0f} MB", flush=True)
    print(f"  scikit-learn's roc_curve: {theirs['seconds']:.2f} s, {theirs['megabytes']:.0f} MB", flush=True)
    print(f"  {theirs['seconds'] / ours['seconds']:.1f} times faster", flush=True)
    print(f"  apart: {', '.join(f'{name} {value:.1e}' for name, value in apart.items())}", flush=True)
    return {"full": full, "ours": ours, "theirs": theirs, "apart": apart}


def ask(side: str, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run one side in a process of its own and return what it tells."""
    cores = ",".join(map(str, options.cores))
    command = [sys.executable, __file__, side, str(count), str(options.seed), cores]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def side(name: str, count: int, seed: int) -> dict[str, Any]:
    """Score the pairs of `count` examples with as many references on one side."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(CLASSES, DIM))
    labels = rng.integers(0, CLASSES, (2, count))
    embeddings = (centers[labels] + 1.5 * rng.normal(size=(2, count, DIM))).astype(np.float32)
    work = {"simplug": by_simplug, "scikit-learn": by_scikit_learn}[name]
    # The first call pays for what is loaded; it counts on neither side.
    work(embeddings[:, :200], labels[:, :200])
    before = peak()
    started = time.perf_counter()
    scores = work(embeddings, labels)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "megabytes": peak() - before, "scores": scores}


def by_simplug(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the scores by counting in blocks."""
    import simplug
    from simplug.evaluation import count_pairs

    counts = count_pairs(embeddings[0], labels[0], embeddings[1], labels[1])
    metrics = [simplug.metrics.build(name) for name in ("roc_auc", "eer")]
    metrics += [simplug.metrics.build({"name": "tar_at_far", "far": rate}) for rate in RATES]
    return dict(zip(names(), (metric.score(counts) for metric in metrics), strict=True))


def by_scikit_learn(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the scores from all distances at once."""
    from sklearn.metrics import auc, roc_curve

    units = embeddings / np.linalg.norm(embeddings, axis=2, keepdims=True)
    similarities = (units[0] @ units[1].T).ravel()
    same = (labels[0][:, None] == labels[1]).ravel()
    far, tar, _ = roc_curve(same, similarities, drop_intermediate=False)
    eer = np.interp(0.0, far - (1 - tar), far)
    at_rates = [tar[np.searchsorted(far, rate, side="right") - 1] for rate in RATES]
    return dict(zip(names(), map(float, (auc(far, tar), eer, *at_rates)), strict=True))


def names() -> list[str]:
    """Return the names of the scores."""
    return ["roc_auc", "eer", *(f"tar@far={rate:g}" for rate in RATES)]


def peak() -> float:
    """Return the megabytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    asked, examples, seed_of, cores_of = sys.argv[1:]
    os.sched_setaffinity(0, {int(core) for core in cores_of.split(",")})
    print(json.dumps(side(asked, int(examples), int(seed_of))))
