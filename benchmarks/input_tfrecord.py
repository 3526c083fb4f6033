"""The memory of a process that draws batches from many TFRecord files, and how fast it does.

Records of 10,000 classes, each of 64 raw bytes and a label, lie in eight files in random order. A process makes the
index of them, and another opens it and draws; each measures its own anonymous memory (``RssAnon``: what is allocated,
and not the mapped pages of files that the system takes back when it needs them) above what it was after a small data
set of the same kind had been read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

CLASSES, SHARDS, PIXELS = 10_000, 8, 64
COUNTS, QUICK_COUNTS = (100_000, 1_000_000), (20_000, 40_000)
P, K = 64, 4
_WRITTEN_AT_ONCE = 50_000


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print the table and return its rows."""
    print(f"tfrecord: {CLASSES:,} classes, batches of {P} x {K}", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        small = write(Path(scratch) / "small", 2 * CLASSES // 100, options.seed)
        for count in QUICK_COUNTS if options.quick else COUNTS:
            started = time.perf_counter()
            folder = write(Path(scratch) / str(count), count, options.seed)
            row: dict[str, Any] = {"examples": count, "write s": time.perf_counter() - started}
            for stage in ("index", "draw"):
                command = [sys.executable, __file__, stage, str(folder), str(small), str(20 if options.quick else 2000)]
                row |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows.append(row)
            print(
                f"  {count:>9,} examples: index made in {row['index s']:.1f} s with at most {row['index MB']:.1f} MB; "
                f"opened in {row['open s']:.2f} s, drawn at {row['examples/s']:,.0f} a second with at most "
                f"{row['draw MB']:.1f} MB",
                flush=True,
            )
    growth = {stage: rows[-1][f"{stage} MB"] - rows[0][f"{stage} MB"] for stage in ("index", "draw")}
    print("  more memory for more examples: " + ", ".join(f"{stage} {mb:+.1f} MB" for stage, mb in growth.items()))
    return rows


def write(folder: Path, count: int, seed: int) -> Path:
    """Write records of all classes, in random order, and return their folder."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % CLASSES)
    for number, part in enumerate(np.array_split(labels, SHARDS)):
        with (folder / f"{number}.tfrecord").open("wb") as stream:
            for start in range(0, len(part), _WRITTEN_AT_ONCE):
                some = part[start : start + _WRITTEN_AT_ONCE]
                images = rng.integers(0, 256, (len(some), PIXELS), dtype=np.uint8)
                stream.write(_records(images, some).tobytes())
    return folder


def _records(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return records (n, bytes) of a ``tf.train.Example`` with the features image and label."""
    # A label takes two bytes of seven bits, also where one would do, so that all records have one length.
    number = np.stack([labels & 127 | 128, labels >> 7], axis=1).astype(np.uint8)
    content = _nested(images, 1, 1)
    image = _joined(_field(1, _constant(b"image", len(images))), _field(2, content))
    label = _joined(_field(1, _constant(b"label", len(images))), _field(2, _nested(number, 1, 3)))
    data = _field(1, _joined(_field(1, image), _field(1, label)))
    length = _constant(data.shape[1].to_bytes(8, "little"), len(images))
    return _joined(length, _masked_crc(length), data, _masked_crc(data))


def _nested(content: np.ndarray, *numbers: int) -> np.ndarray:
    for number in numbers:
        content = _field(number, content)
    return content


def _field(number: int, content: np.ndarray) -> np.ndarray:
    """Return a field of bytes; a length is below 128 * 128."""
    size = content.shape[1]
    prefix = [number << 3 | 2, size] if size < 128 else [number << 3 | 2, size & 127 | 128, size >> 7]
    return _joined(_constant(bytes(prefix), len(content)), content)


def _constant(text: bytes, count: int) -> np.ndarray:
    return np.tile(np.frombuffer(text, dtype=np.uint8), (count, 1))


def _joined(*columns: np.ndarray) -> np.ndarray:
    return np.concatenate(columns, axis=1)


def _masked_crc(data: np.ndarray) -> np.ndarray:
    """Return the masked CRC-32C of each row, as four bytes."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1)
    crc = np.full(len(data), 0xFFFFFFFF, dtype=np.uint32)
    for column in data.T:
        crc = table[(crc ^ column) & 255] ^ crc >> np.uint32(8)
    crc ^= np.uint32(0xFFFFFFFF)
    masked = (crc >> np.uint32(15) | crc << np.uint32(17)) + np.uint32(0xA282EAD8)
    return masked.astype("<u4").view(np.uint8).reshape(-1, 4)


class Memory:
    """The most anonymous memory of this process while it is watched, in MB above what it was before."""

    def __init__(self) -> None:
        self._base = self.most = self._now()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def stop(self) -> float:
        """Return the most."""
        self._ended.set()
        self._watch.join()
        return self.most - self._base

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            self.most = max(self.most, self._now())

    @staticmethod
    def _now() -> float:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("RssAnon:")[1].split()[0]) / 1000


def work(stage: str, folder: str, small: str, steps: int) -> dict[str, float]:
    """Make the index of a folder, or open it and draw; tables and modules are made with a small folder before."""
    _, batches = _opened(small, steps)
    batches[0]
    memory = Memory()
    started = time.perf_counter()
    size, batches = _opened(folder, steps)
    seconds = time.perf_counter() - started
    if stage == "index":
        return {"index s": seconds, "index MB": memory.stop()}
    started = time.perf_counter()
    for step in range(steps):
        inputs, labels = batches[step]
        assert inputs.shape == (P * K, PIXELS)
        assert len(np.unique(labels)) == P
    assert size
    drawn = steps * P * K / (time.perf_counter() - started)
    return {"open s": seconds, "examples/s": drawn, "draw MB": memory.stop()}


def _opened(folder: str, steps: int) -> tuple[int, Any]:
    import simplug

    data = simplug.datasets.build("tfrecord", path=folder, encoding="raw", shape=[PIXELS], test_fraction=0.0).load()
    sampler = simplug.samplers.build("class_balanced", classes_per_batch=P, examples_per_class=K)
    split = data.splits["train"]
    return len(split), sampler.batches(split, steps=steps, seed=0)


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))))
