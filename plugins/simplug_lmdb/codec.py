"""How records are written as keys and values.

A record has a head (id, label, checksum of its payload), a vector (embedding, and the id again, so that a record whose
head is damaged can still be named), and a payload if it is not empty. Checksums begin with the row, so that a value
which is found under the wrong key counts as damaged.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from zlib import crc32

import attrs
import numpy as np

from simplug.api import Rows

HEAD = np.dtype([("id", "<i8"), ("label", "<i8"), ("payload", "<u4"), ("checksum", "<u4")])
_CHECKSUM = struct.Struct("<I")
_SLICE_BYTES = 4 << 20


def vector_type(dim: int) -> np.dtype[np.void]:
    """Return the type of the value that holds an embedding."""
    return np.dtype([("id", "<i8"), ("embedding", "<f4", (dim,)), ("checksum", "<u4")])


@attrs.frozen(eq=False)
class Encoded:
    """Keys and values of some records, in the order of rows; only some have a payload."""

    keys: list[bytes]
    heads: list[bytes]
    vectors: list[bytes]
    payloads: list[tuple[bytes, bytes]]


def encode(added: Rows, part: slice) -> Encoded:
    """Write some of the records that are to be added."""
    rows = added.rows[part].tolist()
    payloads = added.payloads[part]
    keys = keys_of(added.rows[part])
    vectors = np.empty(len(rows), dtype=vector_type(added.embeddings.shape[1]))
    vectors["id"], vectors["embedding"] = added.ids[part], added.embeddings[part]
    heads = np.empty(len(rows), dtype=HEAD)
    heads["id"], heads["label"] = added.ids[part], added.labels[part]
    heads["payload"] = np.fromiter(map(crc32, payloads, rows), dtype=np.uint32, count=len(rows))
    filled = [(key, payload) for key, payload in zip(keys, payloads, strict=True) if payload]
    return Encoded(keys, _signed(heads, rows), _signed(vectors, rows), filled)


def slices(added: Rows) -> Iterator[slice]:
    """Cut records into parts of a few megabytes, of at least one record each."""
    size = vector_type(added.embeddings.shape[1]).itemsize + HEAD.itemsize
    sizes = np.fromiter(map(len, added.payloads), dtype=np.int64, count=len(added.rows)) + size
    group = np.cumsum(sizes) // _SLICE_BYTES
    cuts = (np.flatnonzero(np.diff(group)) + 1).tolist()
    for start, end in zip([0, *cuts], [*cuts, len(added.rows)], strict=True):
        yield slice(start, end)


def room(encoded: Encoded) -> int:
    """Return about how many bytes of a database some records take, the pages above them and their slack included."""
    sizes = sum(len(payload) for _, payload in encoded.payloads)
    return 2 * (sizes + len(encoded.keys) * (len(encoded.vectors[0]) + len(encoded.heads[0]) + 64))


def intact(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Say which of (n,) values of one type are as they were written."""
    same: np.ndarray = values["checksum"] == _checksums(values, rows.tolist())
    return same


def is_intact(value: bytes, row: int) -> bool:
    """Say whether a value is as it was written."""
    return value[-4:] == _CHECKSUM.pack(checksum(value[:-4], row))


def checksum(data: bytes, row: int) -> int:
    """Return the checksum of what belongs to a row."""
    return crc32(data, row)


def keys_of(rows: np.ndarray) -> list[bytes]:
    """Return rows as big-endian keys, whose order in the database is the order of rows."""
    return _each(rows.astype(">u8"))


def _signed(values: np.ndarray, rows: Sequence[int]) -> list[bytes]:
    """Fill the checksums of values in, and return them as bytes."""
    values["checksum"] = _checksums(values, rows)
    return _each(values)


def _checksums(values: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    size = values.dtype.itemsize
    signed = values.view(np.dtype([("body", f"V{size - 4}"), ("checksum", "<u4")]))["body"]
    return np.fromiter(map(crc32, signed.tolist(), rows), dtype=np.uint32, count=len(values))


def _each(values: np.ndarray) -> list[bytes]:
    """Return the bytes of each of (n,) values; as plain memory, NumPy makes them at once."""
    found: list[bytes] = values.view(f"V{values.dtype.itemsize}").tolist()
    return found
