"""Batches of TensorFlow Similarity's ``MultiShotMemorySampler``, in its own environment.

Called by ``input_sampler.py``: reads one request a line, as JSON, and answers each with one line.
"""

import contextlib
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from tensorflow_similarity.samplers import MultiShotMemorySampler, memory_samplers


class Arrays:
    """Stands where the sampler looks for TensorFlow, and leaves arrays as they are."""

    @staticmethod
    def convert_to_tensor(array: np.ndarray) -> np.ndarray:
        """Return the array."""
        return array


def make(folder: str, seed: int, steps: int, p: int, k: int, augmented: bool, **_: object) -> MultiShotMemorySampler:
    """Return a sampler over the images in a folder."""
    random.seed(seed)
    tf.random.set_seed(seed)
    return MultiShotMemorySampler(
        np.load(Path(folder) / "images.npy"),
        np.load(Path(folder) / "labels.npy"),
        classes_per_batch=p,
        examples_per_class_per_batch=k,
        steps_per_epoch=steps,
        augmenter=augmenter() if augmented else None,
    )


def augmenter() -> Callable[..., Any]:
    """Return a function that turns images by up to 10 degrees and shifts them by up to a tenth."""
    turn = tf.keras.layers.RandomRotation(10 / 360, fill_mode="constant")
    shift = tf.keras.layers.RandomTranslation(0.1, 0.1, fill_mode="constant")

    @tf.function
    def change(images: tf.Tensor) -> tf.Tensor:
        return shift(turn(images, training=True), training=True)

    return lambda images, labels, _, __: (change(images), labels)


def sample(sampler: MultiShotMemorySampler, file: str, count: int) -> int:
    """Write some batches to a file, and return their number."""
    batches = [sampler[step] for step in range(count)]
    images, labels = (
        {f"{name}{i}": np.asarray(batch[part]) for i, batch in enumerate(batches)}
        for part, name in ((0, "x"), (1, "y"))
    )
    np.savez(file, **images, **labels)
    return count


def seconds(sampler: MultiShotMemorySampler, steps: int, tensors: bool) -> float:
    """Return the processor time of some batches."""
    memory_samplers.tf = tf if tensors or sampler.augmenter else Arrays
    started = time.process_time()
    for step in range(steps):
        sampler[step]
    return time.process_time() - started


def main() -> None:
    """Answer requests until there are none."""
    sampler = None
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        with contextlib.redirect_stdout(sys.stderr):  # The sampler prints.
            if do == "make":
                sampler, answer = make(**request), {}
            elif do == "sample":
                answer = {"files": sample(sampler, **request)}
            else:
                answer = {"seconds": seconds(sampler, **request)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
