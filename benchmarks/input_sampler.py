"""Examples a second of samplers on images in memory.

Both sides get the same images and labels, and give batches of P classes with K examples each. Each is a process that
works on one thread; they take turns. The figures are processor time: ours includes the plan of each epoch of 1,000
batches, the peer's the conversion of a batch to tensors, which is also shown without. Some batches of both are looked
at first: the pixels of an image say which it is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import numpy as np
from peer_environment import make_peer

import simplug
from simplug.api import Split

WORKER = Path(__file__).parent / "peers" / "tensorflow_similarity_sampler.py"
STEPS = 1000
SIDE = 28


@attrs.frozen
class Case:
    """One row of the table.

    Attributes:
        classes: The number of classes.
        per_class: The number of images of each.
        dtype: Their type.
        p: Classes in a batch.
        k: Examples of each.
        augmented: Whether images are turned by up to 10 degrees and shifted by up to a tenth.
    """

    classes: int
    per_class: int
    dtype: str
    p: int
    k: int
    augmented: bool = False

    def __str__(self) -> str:
        views = ", turned and shifted" if self.augmented else ""
        return f"{self.classes} x {self.per_class:,} {self.dtype}, batch {self.p} x {self.k}{views}"


CASES = (
    *(
        Case(classes, per_class, dtype, p, k)
        for classes, per_class, batches in ((10, 6000, ((6, 10), (8, 32))), (1000, 60, ((6, 10), (64, 4))))
        for dtype in ("uint8", "float32")
        for p, k in batches
    ),
    Case(10, 6000, "float32", 6, 10, augmented=True),
)
QUICK = (Case(10, 30, "uint8", 6, 10), Case(10, 30, "uint8", 6, 10, augmented=True))


class Ours:
    """`class_balanced`, in this process."""

    def __init__(self, case: Case, images: np.ndarray, labels: np.ndarray, seed: int) -> None:
        sampler = simplug.samplers.build("class_balanced", classes_per_batch=case.p, examples_per_class=case.k)
        augmenter = simplug.augmenters.build("image_basic", rotation=10.0, shift=0.1) if case.augmented else None
        self._batches = sampler.batches(Split(images, labels), steps=STEPS, seed=seed, augmenter=augmenter)
        self._epoch = 0

    def sample(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return some batches."""
        return [(inputs, labels) for inputs, labels in (self._batches[step] for step in range(count))]

    def seconds(self, steps: int) -> float:
        """Return the processor time of some batches, plans of whole epochs among them."""
        started = time.process_time()
        for step in range(steps):
            if step % STEPS == 0:
                self._epoch += 1
                self._batches.start_epoch(self._epoch)
            self._batches[step % STEPS]
        return time.process_time() - started


class Peer:
    """``MultiShotMemorySampler``, in its own process."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        """Send a request and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process of TensorFlow Similarity ended")
        return json.loads(line)

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print the table and return its rows."""
    python = make_peer(options.peer_python, options.peer_env) if options.peer_python else None
    peer = Peer(python) if python else None
    print("sampler: thousand examples a second of processor time", flush=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            rows = [_row(case, peer, Path(scratch), options) for case in (QUICK if options.quick else CASES)]
    finally:
        if peer is not None:
            peer.stop()
    return rows


def make(case: Case, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 28, 28, 1) whose first four pixels are their number, in base 256, and labels in any order."""
    rng = np.random.default_rng(seed)
    count = case.classes * case.per_class
    images = rng.integers(0, 256, (count, SIDE, SIDE, 1), dtype=np.uint8)
    images.reshape(count, -1)[:, :4] = np.arange(count, dtype="<u4").view(np.uint8).reshape(count, 4)
    return images.astype(case.dtype), rng.permutation(np.repeat(np.arange(case.classes), case.per_class))


def check(case: Case, batches: list[tuple[np.ndarray, np.ndarray]], labels: np.ndarray) -> None:
    """Make sure that each batch has P classes and K different images of each, with their labels."""
    for images, of_batch in batches:
        assert images.shape == (case.p * case.k, SIDE, SIDE, 1)
        assert sorted(np.unique(of_batch, return_counts=True)[1]) == [case.k] * case.p
        if not case.augmented:
            numbers = images.reshape(len(images), -1)[:, :4].astype(np.uint8).copy().view("<u4")[:, 0]
            assert len(np.unique(numbers)) == len(numbers)
            np.testing.assert_array_equal(labels[numbers], of_batch)


def _row(case: Case, peer: Peer | None, scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    images, labels = make(case, options.seed)
    ours = Ours(case, images, labels, options.seed)
    check(case, ours.sample(20), labels)
    if peer is not None:
        np.save(scratch / "images.npy", images)
        np.save(scratch / "labels.npy", labels)
        peer.ask(do="make", folder=str(scratch), seed=options.seed, steps=STEPS, **attrs.asdict(case))
        drawn = peer.ask(do="sample", file=str(scratch / "drawn.npz"), count=20)["files"]
        with np.load(scratch / "drawn.npz", allow_pickle=False) as file:
            check(case, [(file[f"x{number}"], file[f"y{number}"]) for number in range(drawn)], labels)
    size = case.p * case.k
    steps = (20, 20) if options.quick else (100, 50) if case.augmented else (5 * STEPS, 400)
    rounds: dict[str, list[float]] = {"simplug": [], "peer": [], "peer, no tensors": []}
    for _ in range(options.rounds):
        rounds["simplug"].append(steps[0] * size / ours.seconds(steps[0]))
        if peer is not None:
            for name, tensors in (("peer", True), ("peer, no tensors", False))[: 1 if case.augmented else 2]:
                taken = peer.ask(do="time", steps=steps[1], tensors=tensors)["seconds"]
                rounds[name].append(steps[1] * size / taken)
    rates = {name: median(values) for name, values in rounds.items() if values}
    line = f"  {case}: " + ", ".join(f"{name} {rate / 1000:,.0f}" for name, rate in rates.items())
    row = {"case": str(case), **rates}
    for name in list(rates)[1:]:
        pairs = zip(rounds["simplug"], rounds[name], strict=True)
        row[f"ratio to {name}"] = median(own / other for own, other in pairs)
    line += "".join(f", ratio to {name} {row[f'ratio to {name}']:.1f}" for name in list(rates)[1:])
    print(line, flush=True)
    return row
