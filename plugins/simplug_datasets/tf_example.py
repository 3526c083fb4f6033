"""Features of a ``tf.train.Example``, read from its protocol buffer without TensorFlow.

The message is ``Example { Features features = 1 }``, ``Features { map<string, Feature> feature = 1 }`` and
``Feature { oneof { BytesList bytes_list = 1; FloatList float_list = 2; Int64List int64_list = 3 } }``, where each list
has its values in field 1; see tensorflow/core/example/example.proto and feature.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

Values = list[bytes] | np.ndarray
"""The values of a feature: texts of bytes, float32 (n,), or int64 (n,)."""

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


def features_of(data: bytes) -> dict[str, bytes]:
    """Return the features of an example by name, each still to be read with :func:`values_of`.

    Raises:
        ValueError: The data are no such message.
    """
    features = {}
    for number, message in _fields(data):
        if number == 1 and isinstance(message, bytes):
            for entry_number, entry in _fields(message):
                if entry_number == 1 and isinstance(entry, bytes):
                    parts = {place: part for place, part in _fields(entry) if isinstance(part, bytes)}
                    features[parts.get(1, b"").decode()] = parts.get(2, b"")
    return features


def values_of(feature: bytes) -> Values:
    """Return the values of a feature; none are an empty list.

    Raises:
        ValueError: The data are no such message.
    """
    values: Values = []
    for number, message in _fields(feature):
        if isinstance(message, int):
            continue
        if number == _BYTES_LIST:
            values = [text for place, text in _fields(message) if place == 1 and isinstance(text, bytes)]
        elif number == _FLOAT_LIST:
            values = np.frombuffer(b"".join(_packed(message)), dtype="<f4")
        elif number == _INT64_LIST:
            values = np.array(list(_integers(message)), dtype=np.uint64).view(np.int64)
    return values


def _packed(message: bytes) -> Iterator[bytes]:
    """Yield the bytes of floats, which stand together or each in a field of its own."""
    for number, value in _fields(message):
        if number == 1:
            yield value if isinstance(value, bytes) else struct.pack("<I", value)


def _integers(message: bytes) -> Iterator[int]:
    for number, value in _fields(message):
        if number != 1:
            continue
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            integer, at = _varint(value, at)
            yield integer


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the value of each field."""
    at, end = 0, len(message)
    while at < end:
        tag, at = (message[at], at + 1) if message[at] < 128 else _varint(message, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            length, at = (message[at], at + 1) if at < end and message[at] < 128 else _varint(message, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise ValueError(f"a field of wire type {wire}")
        if at + length > end:
            raise ValueError("the message ends inside a field")
        content = message[at : at + length]
        yield tag >> 3, content if wire == _BYTES else int.from_bytes(content, "little")
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where it ends."""
    number = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
    raise ValueError("the message ends inside a number")
