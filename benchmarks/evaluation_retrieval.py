"""The retrieval part of ``evaluation.py``, and our side of it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PEER = ("torch==2.13.0", "pytorch-metric-learning==2.9.0", "faiss-cpu")
NAMES = {"map@r": "mean_average_precision_at_r", "r_precision": "r_precision", "precision@1": "precision_at_1"}
"""Our metrics, and what the peer calls them."""

AGREE = 1e-6
"""The largest difference of values, unless the peer, which measures in float32, swaps the two nearest of a query.

Of 60,000 queries in ten classes one has its two nearest, of two classes, 1.3e-8 apart; the peer takes the farther one.
"""


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run both sides with each number of classes, print what they take, and return it."""
    peer = peer_python(options.peer_env)
    rows = []
    for classes in options.classes:
        embeddings, labels = clusters(options.count, options.dim, classes, options.seed)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "embeddings.npz"
            np.savez(file, embeddings=embeddings, labels=labels)
            print(f"retrieval: {options.count} x {options.dim} among themselves, {classes} classes", flush=True)
            ours = run(Path(sys.executable), "evaluation_retrieval", file, options.cores)
            print(line("simplug", ours, list(NAMES)), flush=True)
            theirs = run(peer, "peers.pytorch_metric_learning_accuracy", file, options.cores)
            print(line("peer", theirs, list(NAMES.values())), flush=True)
        apart = max(abs(ours["values"][name] - theirs["values"][other]) for name, other in NAMES.items())
        ratio = theirs["seconds"] / ours["seconds"]
        print(
            f"  {ratio:.1f} times faster ({theirs['cpu'] / ours['cpu']:.1f} in CPU time); values are {apart:.1e} apart"
            f"{'' if apart <= AGREE else f', as much as {round(apart * options.count)} of the queries make'}",
            flush=True,
        )
        rows.append({"classes": classes, "simplug": ours, "peer": theirs, "ratio": ratio, "apart": apart})
    return rows


def clusters(count: int, dim: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (count, dim) float32 embeddings of norm 1, in clusters that overlap, and their (count,) labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    embeddings = rng.normal(size=(classes, dim))[labels] + 3 * rng.normal(size=(count, dim))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings.astype(np.float32), labels


def run(python: Path, module: str, file: Path, cores: list[int]) -> dict[str, Any]:
    """Return what a side measured in a process of its own."""
    command = [str(python), str(HERE / "evaluation_worker.py"), module, str(file), *map(str, cores)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    measured: dict[str, Any] = json.loads(told.splitlines()[-1])
    return measured


def line(name: str, measured: dict[str, Any], metrics: list[str]) -> str:
    """Return what a side measured as a line."""
    values = ", ".join(f"{measured['values'][metric]:.8f}" for metric in metrics)
    return (
        f"  {name:<8} {measured['seconds']:8.2f} s ({measured['cpu']:.1f} s of CPU)  peak {measured['peak']:6,.0f} MB, "
        f"of which {measured['base']:,.0f} before  {values}"
    )


def peer_python(folder: Path) -> Path:
    """Return the interpreter of the peer's environment, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER], check=True)
    return python


def prepare() -> None:
    """Import what scoring needs."""
    import simplug.evaluation

    few = np.eye(4, dtype=np.float32)
    simplug.evaluation.evaluate_retrieval(few, [0, 0, 1, 1], metrics=list(NAMES))


def score(embeddings: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the values of our side."""
    import simplug.evaluation

    return dict(simplug.evaluation.evaluate_retrieval(embeddings, labels, metrics=list(NAMES)))
