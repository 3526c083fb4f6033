"""The MNIST hello world: what `examples/mnist.toml` reaches, and in what time, beside TensorFlow Similarity.

    python benchmarks/hello_mnist.py MNIST_FOLDER [--peer-python python3.10]

MNIST_FOLDER holds the IDX files of MNIST's test images (t10k): the first 8,000 rows train, the last 2,000 test. Each
seed is a `simplug run` in a process of its own. After the first, the plain recipe runs: the same network with 64
dimensions, small shifts and turns alone, and Adam at a constant 1e-3. With --peer-python, an environment with
TensorFlow Similarity 0.17.1 is made in a temporary folder (it needs Python 3.10) and its own hello world runs on the
same rows, too, so that all sides meet the same machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from peer_environment import make_peer

HERE = Path(__file__).parent
CONFIG = HERE.parent / "examples" / "mnist.toml"
TEST_ROWS = 2000

PLAIN = (
    "backbone.embedding_dim=64",
    'augmenter={ name = "image_basic", rotation = 10.0, shift = 0.07 }',
    'train.optimizer={ name = "adam", learning_rate = 0.001 }',
)
"""The settings that turn the example into the plain recipe."""

COLUMNS = ("all", "seen", "unseen", "matching", "fit s")


def main() -> None:
    """Run both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--peer-python", help="a Python 3.10; without one, only simplug runs")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        peer = make_peer(options.peer_python, Path(scratch) / "peer") if options.peer_python else None
        ours: list[dict[str, float]] = []
        others: dict[str, dict[str, float]] = {}
        for seed in options.seeds:
            ours.append(run_simplug(options.mnist, seed, Path(scratch)))
            show(f"simplug, seed {seed}", ours[-1])
            if not others:
                others["the plain recipe"] = run_simplug(options.mnist, seed, Path(scratch) / "plain", PLAIN)
                if peer:
                    others["TensorFlow Similarity"] = run_peer(peer, options.mnist, seed)
                for title, row in others.items():
                    show(title, row)
    average = {column: mean(row[column] for row in ours) for column in COLUMNS}
    show(f"simplug, mean of {len(ours)}", average)
    for title, row in others.items():
        print(f"time of fit, simplug / {title}: {average['fit s'] / row['fit s']:.2f}")


def run_simplug(mnist: Path, seed: int, scratch: Path, settings: Sequence[str] = ()) -> dict[str, float]:
    """Run the example with one seed and further settings, and return its row of the table."""
    command = [sys.executable, "-m", "simplug", "run", str(CONFIG), "--json", "--out", str(scratch / f"seed{seed}")]
    data = (f'dataset.path="{mnist}"', f"dataset.test_rows={TEST_ROWS}", f"train.seed={seed}")
    for setting in (*data, *settings):
        command += ["--set", setting]
    metrics: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    groups = metrics["groups"]
    row = {name: groups[name]["precision@1"] for name in ("all", "seen", "unseen")}
    return row | {"matching": groups["all"]["matching_accuracy"], "fit s": metrics["fit_seconds"]}


def run_peer(interpreter: Path, mnist: Path, seed: int) -> dict[str, float]:
    """Run TensorFlow Similarity's hello world and return its row of the table."""
    script = HERE / "peers" / "tensorflow_similarity_hello_mnist.py"
    output = subprocess.run(
        [str(interpreter), str(script), str(mnist), str(TEST_ROWS), str(seed)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    row: dict[str, float] = json.loads(output.splitlines()[-1])
    return row


def show(title: str, row: dict[str, float]) -> None:
    """Print one row of the table."""
    cells = "  ".join(f"{name} {row[name]:.3f}" for name in COLUMNS[:-1])
    print(f"{title:<24} {cells}  fit {row['fit s']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
