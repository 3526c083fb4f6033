"""The framing of TFRecord files.

A record is its length as an unsigned 64-bit number, the masked CRC-32C of these eight bytes, the data, and the masked
CRC-32C of the data; all numbers are little-endian. See https://www.tensorflow.org/tutorials/load_data/tfrecord.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import attrs

from simplug.api import DataError
from simplug_datasets.crc32c import masked_crc32c

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
_GZIP_MAGIC = b"\x1f\x8b"


class UnreadableRecordError(DataError):
    """A record is damaged; the text is the reason, without the name of the file."""


@attrs.frozen
class Record:
    """A record of a file.

    Attributes:
        offset: Where it begins in the file, in bytes.
        data: Its data, or what is wrong with it.
    """

    offset: int
    data: bytes | UnreadableRecordError


def records(path: Path, *, checksums: bool) -> Iterator[Record]:
    """Yield the records of a file in order; damaged ones too, up to one whose end is not known.

    Args:
        path: The file.
        checksums: Whether to check the data of each record; lengths always are.

    Raises:
        DataError: The file cannot be read, or is packed as a whole.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            offset = 0
            while offset < size:
                head = stream.read(_HEAD.size)
                problem = _head_problem(head, size - offset)
                if problem:
                    if not offset and head.startswith(_GZIP_MAGIC):
                        raise DataError(f"{path} is packed with gzip, so its records cannot be found; unpack it")
                    yield Record(offset, UnreadableRecordError(f"{problem}; the rest of the file is lost"))
                    return
                length = _HEAD.unpack(head)[0]
                yield Record(offset, _checked(stream.read(length + _TAIL.size), checksums))
                offset += _HEAD.size + length + _TAIL.size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def read_record(path: str | Path, offset: int, length: int, *, checksums: bool) -> bytes:
    """Return the data of a record that begins at `offset` and has `length` bytes of data.

    Raises:
        UnreadableRecordError: There is no such record, or it is damaged.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            frame = os.pread(descriptor, _HEAD.size + length + _TAIL.size, offset)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnreadableRecordError(error.strerror or str(error)) from error
    head = frame[: _HEAD.size]
    problem = _head_problem(head, len(frame))
    if problem or _HEAD.unpack(head)[0] != length:
        raise UnreadableRecordError(problem or f"there is no record of {length} bytes, as there was")
    data = _checked(frame[_HEAD.size :], checksums)
    if isinstance(data, UnreadableRecordError):
        raise data
    return data


def _head_problem(head: bytes, left: int) -> str:
    """Say what is wrong with the beginning of a record before `left` bytes, if anything is."""
    if len(head) < _HEAD.size:
        return f"the file ends after {len(head)} bytes of the record"
    length, crc = _HEAD.unpack(head)
    if _length_crc(length) != crc:
        return "the checksum of its length is wrong"
    if left < _HEAD.size + length + _TAIL.size:
        return f"the file ends after {left} bytes of the record, of {_HEAD.size + length + _TAIL.size}"
    return ""


def _checked(frame: bytes, checksums: bool) -> bytes | UnreadableRecordError:
    """Return data without the checksum behind it."""
    data = frame[: -_TAIL.size]
    if checksums and masked_crc32c(data) != _TAIL.unpack(frame[-_TAIL.size :])[0]:
        return UnreadableRecordError("the checksum of its data is wrong")
    return data


@functools.lru_cache(4096)  # Many records have one length.
def _length_crc(length: int) -> int:
    return masked_crc32c(struct.pack("<Q", length))
