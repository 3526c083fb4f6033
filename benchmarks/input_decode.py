"""Pictures a second that are read from their files: `image_folder` with ``keep = "files"``, beside ``tf.data``.

Both read the same JPEG and PNG files of photos' size in the same random batches, decode them on all cores, and bring
them to one size. The other sides are the usual pipeline: ``read_file``, ``decode_image``, ``resize``, ``map`` with
``AUTOTUNE``, ``batch`` and ``prefetch``; once with ``antialias=True``, which smooths what shrinks, as simplug always
does, and once with TensorFlow's default, which looks at four pixels of the original for each of the result, and skips
the others. Sides take turns; figures are the medians of all rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

import simplug

CLASSES, BATCH = 8, 48
PEERS = {"tf.data, smoothed": True, "tf.data": False}
"""The other sides, and whether they smooth."""

PICTURE, SIZE = (480, 640), (160, 160)


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print the rates and return them."""
    per_class = 6 if options.quick else 48
    print(f"decode: pictures of {PICTURE[0]} x {PICTURE[1]} brought to {SIZE[0]} x {SIZE[1]}, batches of {BATCH}")
    rows = []
    for ending in ("jpg", "png"):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), per_class, ending, options.seed)
            rows.append(compare(Path(folder), ending, options))
    return rows


def write(folder: Path, per_class: int, ending: str, seed: int) -> None:
    """Write pictures that compress as photos do: smooth, with a little noise."""
    rng = np.random.default_rng(seed)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir()
        for number in range(per_class):
            coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            smooth = np.asarray(coarse.resize(PICTURE[::-1], Image.Resampling.BICUBIC), dtype=np.int16)
            noisy = (smooth + rng.integers(-6, 7, smooth.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"class{label}" / f"{number}.{ending}", quality=90)


def compare(folder: Path, ending: str, options: argparse.Namespace) -> dict[str, Any]:
    """Time both sides on the files of a folder."""
    import tensorflow as tf

    data = simplug.datasets.build("image_folder", path=str(folder), size=SIZE, keep="files", test_fraction=0.0).load()
    split = data.splits["train"]
    paths = np.array(sorted(str(path) for path in folder.glob(f"*/*.{ending}")))
    rng = np.random.default_rng(options.seed)
    rates: dict[str, list[float]] = {name: [] for name in ("simplug", *PEERS)}
    for number in range(options.rounds + 1):
        rows = rng.permutation(len(split))
        rows = rows[: len(rows) // BATCH * BATCH].reshape(-1, BATCH)
        started = time.perf_counter()
        for some in rows:
            assert split.read(some).shape == (BATCH, *SIZE, 3)
        seconds = {"simplug": time.perf_counter() - started}
        for name, is_smoothed in PEERS.items():
            started = time.perf_counter()
            for images in _pipeline(tf, paths[rows.reshape(-1)], is_smoothed):
                assert images.shape == (BATCH, *SIZE, 3)
            seconds[name] = time.perf_counter() - started
        if number:  # The first of each finds the files in no cache, and starts threads.
            for name, values in rates.items():
                values.append(rows.size / seconds[name])
    row = {name: median(values) for name, values in rates.items()}
    ratios = {
        f"ratio to {name}": median(own / other for own, other in zip(rates["simplug"], rates[name], strict=True))
        for name in PEERS
    }
    texts = [f"{name} {value:.0f}" for name, value in row.items()]
    texts += [f"{name} {value:.2f}" for name, value in ratios.items()]
    print(f"  {ending}, a second: {', '.join(texts)}", flush=True)
    return {"files": ending, **row, **ratios}


def _pipeline(tf: Any, paths: np.ndarray, is_smoothed: bool) -> Any:
    def load(path: Any) -> Any:
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.cast(tf.image.resize(image, SIZE, antialias=is_smoothed), tf.uint8)

    loaded = tf.data.Dataset.from_tensor_slices(paths).map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return loaded.batch(BATCH).prefetch(tf.data.AUTOTUNE)
