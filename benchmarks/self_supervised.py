"""What `examples/self_supervised.toml` learns without labels, beside raw pixels and a training with labels.

    python benchmarks/self_supervised.py MNIST_FOLDER [--seeds 1 2 3]

MNIST_FOLDER holds the IDX files of MNIST's test images (t10k): the network trains on the first 8,000 rows, and each of
the last 2,000 gets the label of most of its 5 nearest, by cosine, among the 8,000. Each training is a `simplug run` in
a process of its own. The supervised one has the same network, the same changes of the images, as many steps, and about
as many images in a step, 260 to 256: one view each instead of two, in batches balanced by their labels.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from configured_run import configured_run

HERE = Path(__file__).parent
CONFIG = HERE.parent / "examples" / "self_supervised.toml"
TEST_ROWS = 2000
NEIGHBOURS = 5

SUPERVISED = (
    'sampler={ name = "class_balanced", classes_per_batch = 10, examples_per_class = 26 }',
    "augmenter.view_count=1",
    'loss={ name = "multi_similarity", miner = "multi_similarity" }',
    "self_supervised=none",
)
"""The settings that turn the example into a training with labels."""


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    options = parser.parse_args()

    import simplug

    splits = simplug.datasets.build("mnist", path=str(options.mnist), test_rows=TEST_ROWS).load().splits
    pixels = [splits[name].inputs.reshape(len(splits[name]), -1) / 255 for name in ("train", "test")]
    show("raw pixels", accuracy(pixels, splits))
    with tempfile.TemporaryDirectory() as scratch:
        for seed in options.seeds:
            for title, settings in (("without labels", ()), ("with labels", SUPERVISED)):
                folder = Path(scratch) / f"{title.replace(' ', '-')}-{seed}"
                seconds = train(options.mnist, seed, folder, settings)
                model = simplug.load(folder)
                embeddings = [model.embed(splits[name].inputs) for name in ("train", "test")]
                show(f"{title}, seed {seed}", accuracy(embeddings, splits), seconds)


def train(mnist: Path, seed: int, folder: Path, settings: Sequence[str]) -> float:
    """Run the example with further settings, and return the seconds of its fit."""
    data = (f'dataset.path="{mnist}"', f"dataset.test_rows={TEST_ROWS}", f"train.seed={seed}")
    return float(configured_run(CONFIG, folder, (*data, *settings))["fit_seconds"])


def accuracy(rows: Sequence[np.ndarray], splits: Any) -> float:
    """Return how many rows of the test split have the label of most of their nearest in the train split."""
    from sklearn.neighbors import KNeighborsClassifier

    known, asked = rows
    nearest = KNeighborsClassifier(NEIGHBOURS, metric="cosine", algorithm="brute").fit(known, splits["train"].labels)
    return float(nearest.score(asked, splits["test"].labels))


def show(title: str, score: float, seconds: float | None = None) -> None:
    """Print one row of the table."""
    time = "" if seconds is None else f"  fit {seconds:.0f} s"
    print(f"{title:<24} {NEIGHBOURS}-NN accuracy {score:.4f}{time}", flush=True)


if __name__ == "__main__":
    main()
