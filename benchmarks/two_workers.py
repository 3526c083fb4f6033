"""Two processes train one model on this machine, and one process alone for comparison: ``python two_workers.py``.

Each process runs tf.distribute.MultiWorkerMirroredStrategy and has half of every batch; the loss sees the pairs of the
whole batch. Printed are the losses of every step of both workers and of the single process on the same batches, and
how far the weights are apart in the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WORKERS = 2
LOSSES: dict[str, Any] = {
    "multi_similarity": "multi_similarity",
    "arcface": {"name": "arcface", "num_classes": 10},
    "cross_batch_memory": {"name": "cross_batch_memory", "memory_size": 100},
}


def trained(loss: str, steps: int, way: str) -> dict[str, Any]:
    """Train on the digits of scikit-learn and return the loss of each step, and all weights.

    Args:
        loss: A key of `LOSSES`.
        steps: How many steps are trained.
        way: ``alone``, or ``worker``: one of those that TF_CONFIG names.
    """
    import tensorflow as tf

    # Made before anything else of TensorFlow is used.
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if way == "worker" else None

    import keras
    from sklearn.datasets import load_digits

    import simplug
    from simplug.api import Split

    digits = load_digits()
    split = Split((digits.data / 16).astype("float32"), digits.target)
    sampler = simplug.samplers.build("class_balanced", classes_per_batch=8, examples_per_class=4)
    batches = sampler.batches(split, steps=steps, seed=7)
    keras.utils.set_random_seed(7)
    with strategy.scope() if strategy else contextlib.nullcontext():
        inputs = keras.Input((64,))
        hidden = keras.layers.Dense(32, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4))(inputs)
        model = simplug.SimilarityModel(inputs, keras.layers.Dense(8)(hidden))
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss=LOSSES[loss])
    means: list[float] = []
    noted = keras.callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: means.append(float(logs["loss"])))
    model.fit(simplug.FedBatches(batches), shuffle=False, verbose=0, callbacks=[noted])
    weights = {weight.path: weight.value.numpy().tolist() for weight in model.weights}
    return {"losses": _single_losses(means), "weights": weights}


def _single_losses(means: list[float]) -> list[float]:
    """Return the loss of each step; what Keras shows is the mean of all so far."""
    sums = [mean * (step + 1) for step, mean in enumerate(means)]
    return [later - earlier for earlier, later in zip([0.0, *sums], sums, strict=False)]


def run(loss: str, steps: int, *, seconds: float = 240) -> dict[str, dict[str, Any]]:
    """Train alone, and then with two workers on free ports of this machine; return what each came to, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _wait([_start(place, "alone", "alone", loss, steps)], place, seconds)
        with contextlib.ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in range(WORKERS)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
        started = []
        for number in range(WORKERS):
            cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
            started.append(_start(place, f"worker{number}", "worker", loss, steps, TF_CONFIG=json.dumps(cluster)))
        _wait(started, place, seconds)
        names = ["alone", *(f"worker{number}" for number in range(WORKERS))]
        return {name: json.loads((place / f"{name}.json").read_text(encoding="utf-8")) for name in names}


def _start(place: Path, name: str, way: str, loss: str, steps: int, **variables: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--way", way, "--loss", loss, "--steps", str(steps)]
    # Graphics cards would be shared by all processes, and are not what is shown here.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    with (place / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [*command, "--out", str(place / f"{name}.json")], env=environment, stdout=log, stderr=subprocess.STDOUT
        )


def _wait(started: list[subprocess.Popen[bytes]], place: Path, seconds: float) -> None:
    """Wait for all; where one fails or takes too long, end all and show what they wrote."""
    try:
        failed = [process for process in started if process.wait(timeout=seconds)]
    except subprocess.TimeoutExpired:
        failed = started
    finally:
        for process in started:
            process.kill()
    if failed:
        logs = "\n".join(log.read_text(encoding="utf-8", errors="replace")[-3000:] for log in place.glob("*.log"))
        raise SystemExit(f"a process failed or took longer than {seconds} s:\n{logs}")


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the largest difference between the weights of two trainings."""
    import numpy as np

    pairs = zip(one["weights"].values(), other["weights"].values(), strict=True)
    return max(float(np.abs(np.asarray(left) - np.asarray(right)).max()) for left, right in pairs)


def main() -> None:
    """Print the log, or be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", choices=LOSSES, default="multi_similarity")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--way", choices=("alone", "worker"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        given.out.write_text(json.dumps(trained(given.loss, given.steps, given.way)), encoding="utf-8")
        return
    found = run(given.loss, given.steps)
    print(f"{given.loss}, batches of 32 examples, 16 a worker")
    print("step  " + "  ".join(f"{name:>10}" for name in found))
    for step in range(given.steps):
        print(f"{step + 1:4}  " + "  ".join(f"{one['losses'][step]:10.6f}" for one in found.values()))
    print(f"weights of the workers differ by {difference(found['worker0'], found['worker1']):.1e}")
    print(f"weights of workers and single process differ by {difference(found['worker0'], found['alone']):.1e}")


if __name__ == "__main__":
    main()
