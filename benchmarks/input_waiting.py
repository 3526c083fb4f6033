"""The share of the time of a training that it waits for input: `small_cnn`, `class_balanced`, `image_basic`.

Two kinds of figures, each with the batches of a run, which are drawn and augmented while the model trains, and with
the same number of batches that were prepared before and lie in memory:

- blocked: a loop takes batches from Keras's pipeline, as ``fit`` does, and trains on each. This is the share of its
  time that it blocks until the next batch is there. With prepared batches it is what the pipeline itself costs.
  ``batch_stream`` is a pipeline that keeps one batch ready as tensors; ``fit`` takes it in the place of the other.
- fit: the time of an epoch of ``fit``. What the first takes longer than the second is waiting, and the processor time
  that the augmenter takes from the training where both share the cores.

Sides take turns; figures are the medians of all rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np

import simplug
from simplug.api import Batches, Split

P, K = 6, 10
AUGMENTER = {"name": "image_basic", "rotation": 15.0, "shift": 0.07, "scale": 0.15, "shear": 16.0}
"""That of `examples/mnist.toml`, and the batch, too."""


class Prepared(Batches):
    """Batches that are there."""

    def __init__(self, batches: Batches) -> None:
        self._made = [batches[step] for step in range(len(batches))]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._made)

    def __getitem__(self, step: int) -> tuple[Any, np.ndarray]:
        """Return a batch."""
        return self._made[step]

    def start_epoch(self, epoch: int) -> None:
        """Do nothing: each epoch is the same."""


def main(options: argparse.Namespace) -> dict[str, float]:
    """Print the shares and return them."""
    import keras

    from simplug.learn.feeding import FedBatches

    steps = 10 if options.quick else 200
    keras.utils.set_random_seed(options.seed)
    split = make(600 if options.quick else 8000, options.seed)
    sampler = simplug.samplers.build("class_balanced", classes_per_batch=P, examples_per_class=K)
    augmenter = simplug.augmenters.build(AUGMENTER)
    drawn = sampler.batches(split, steps=steps, seed=options.seed, augmenter=augmenter)
    sides = {"drawn": drawn, "prepared": Prepared(drawn)}
    encoder = simplug.backbones.build("small_cnn", embedding_dim=128).build((28, 28, 1))
    model = simplug.SimilarityModel(encoder.inputs, encoder.outputs)
    model.compile(keras.optimizers.Adam(1e-3), "multi_similarity")
    started = time.process_time()
    for step in range(steps):
        drawn[step]
    cost = (time.process_time() - started) / steps
    epochs: dict[str, list[float]] = {side: [] for side in sides}
    blocked: dict[str, list[float]] = {side: [] for side in sides}
    blocked["drawn, batch_stream"] = []
    for number in range(options.rounds + 1):
        for side, batches in sides.items():
            started = time.perf_counter()
            model.fit(FedBatches(batches), epochs=1, shuffle=False, verbose=0)
            epochs[side].append(time.perf_counter() - started)
            with pipeline_of_keras(FedBatches(batches)) as pipeline:
                blocked[side].append(waiting(model, pipeline, steps))
        blocked["drawn, batch_stream"].append(waiting(model, iter(simplug.batch_stream(drawn, epochs=1)), steps))
        if not number:  # The first compiles.
            for figures in (*epochs.values(), *blocked.values()):
                figures.clear()
    shares = {f"blocked, {side}": median(values) for side, values in blocked.items()}
    pairs = list(zip(epochs["drawn"], epochs["prepared"], strict=True))
    shares["fit, drawn beyond prepared"] = median(1 - prepared / own for own, prepared in pairs)
    print(f"waiting: small_cnn, batches of {P} x {K} images of 28 x 28, {AUGMENTER['name']}, {steps} steps an epoch")
    print(f"  a batch is drawn and augmented in {1000 * cost:.2f} ms of processor time")
    for side, values in epochs.items():
        print(f"  an epoch of fit with {side} batches: {1000 * median(values) / steps:.2f} ms a step")
    for name, share in shares.items():
        print(f"  {name}: {100 * share:.1f} % of the time", flush=True)
    return shares


def make(count: int, seed: int) -> Split:
    """Return images (n, 28, 28, 1), uint8, of ten classes."""
    rng = np.random.default_rng(seed)
    strokes = rng.integers(0, 256, (10, 7, 7, 1)).repeat(4, axis=1).repeat(4, axis=2)
    labels = rng.integers(10, size=count)
    noise = rng.normal(0, 20, (count, 28, 28, 1))
    return Split((strokes[labels] + noise).clip(0, 255).astype(np.uint8), labels)


def waiting(model: Any, batches: Iterator[Any], steps: int) -> float:
    """Return the share of the time of a loop that it blocks until the next batch is there."""
    blocked = 0.0
    started = time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        inputs, labels = next(batches)
        blocked += time.perf_counter() - asked
        model.train_on_batch(inputs, labels)
    return blocked / (time.perf_counter() - started)


@contextmanager
def pipeline_of_keras(fed: Any) -> Iterator[Any]:
    """Give the batches of an epoch as ``fit`` takes them."""
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    adapter = PyDatasetAdapter(fed, class_weight=None, shuffle=False)
    pipeline = iter(adapter.get_tf_dataset())
    adapter.on_epoch_begin()
    try:
        yield pipeline
    finally:
        adapter.on_epoch_end()
