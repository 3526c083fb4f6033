"""Writes TFRecord files of tf.train.Example without TensorFlow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from simplug_datasets.crc32c import masked_crc32c


def frame(data: bytes) -> bytes:
    """Return a record with its length and checksums."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def write_shard(path: Path, examples: Iterable[Mapping[str, Any]]) -> Path:
    """Write a file of examples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(frame(example_of(example)) for example in examples))
    return path


def example_of(features: Mapping[str, Any]) -> bytes:
    """Return a tf.train.Example; a value is bytes, a whole number, or an array of either kind of number."""
    entries = [_field(1, _field(1, name.encode()) + _field(2, _feature(value))) for name, value in features.items()]
    return _field(1, b"".join(entries))


def png(pixels: np.ndarray) -> bytes:
    """Return uint8 pixels as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def _feature(value: Any) -> bytes:
    if isinstance(value, bytes):
        return _field(1, _field(1, value))
    numbers = np.atleast_1d(value)
    if numbers.dtype.kind == "f":
        return _field(2, _field(1, numbers.astype("<f4").tobytes()))
    return _field(3, _field(1, b"".join(_varint(int(number) % 2**64) for number in numbers)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    groups = []
    while True:
        groups.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
        if not number:
            return bytes(groups)
