"""Payloads to bytes and back, bit for bit and without pickle.

A value is a tag of one byte, and what the tag asks for::

    n t f          None, True, False
    i <text>       a whole number, in hexadecimal digits
    d <8 bytes>    a float, little-endian
    s <text>  b <bytes>
    l <values>     a list          m <values>     a dict, key and value in turn
    a <array>      a NumPy array   g <array>      a NumPy scalar

where ``<...>`` begins with its length (u64, little-endian), and an array is its dtype as a text, its rank, its
shape and its bytes. A record without data is the empty string of bytes.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from simplug.kernel.errors import ArtifactError, InvalidInputError

_LENGTH = struct.Struct("<Q")
_FLOAT = struct.Struct("<d")
_ARRAY_KINDS = "biufcSUmM"
_DEEPEST = 64


def encode(value: Any, what: str = "data") -> bytes:
    """Return the bytes of a payload.

    Args:
        value: None, bytes, str, bool, int, float, a NumPy array or scalar without objects or fields, or lists and
            dicts (with texts as keys) of these.
        what: How errors name the value.

    Raises:
        InvalidInputError: The value, or one inside it, is of another type.
    """
    if value is None:
        return b""
    out: list[bytes] = []
    _encode(value, what, out, 0)
    return b"".join(out)


def decode(payload: bytes, what: str = "data") -> Any:
    """Return the value that :func:`encode` was given.

    Raises:
        ArtifactError: The bytes are no payload.
    """
    if not payload:
        return None
    try:
        value, end = _decode(payload, 0, 0)
    except (struct.error, IndexError, ValueError, TypeError, OverflowError) as cause:
        raise ArtifactError(f"{what} is damaged: {cause}") from cause
    if end != len(payload):
        raise ArtifactError(f"{what} is damaged: {len(payload) - end} bytes follow its end")
    return value


def _encode(value: Any, what: str, out: list[bytes], depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidInputError(f"{what} is nested more than {_DEEPEST} deep")
    # Subclasses would come back as their base, so only the types themselves are taken.
    match value:
        case None:
            out.append(b"n")
        case bool():
            out.append(b"t" if value else b"f")
        case np.generic():
            out += _sized(b"g", _array_bytes(np.asarray(value), what))
        case np.ndarray() if type(value) is np.ndarray:
            out += _sized(b"a", _array_bytes(value, what))
        case int() if type(value) is int:
            out += _sized(b"i", format(value, "x").encode())
        case float() if type(value) is float:
            out += (b"d", _FLOAT.pack(value))
        case str() if type(value) is str:
            out += _sized(b"s", _text(value, what))
        case bytes() if type(value) is bytes:
            out += _sized(b"b", value)
        case list() if type(value) is list:
            inner: list[bytes] = []
            for i, element in enumerate(value):
                _encode(element, f"{what}[{i}]", inner, depth + 1)
            out += _sized(b"l", b"".join(inner))
        case dict() if type(value) is dict:
            inner = []
            for key, element in value.items():
                if type(key) is not str:
                    raise InvalidInputError(f"{what} has the key {key!r}; keys are texts")
                _encode(key, what, inner, depth + 1)
                _encode(element, f"{what}[{key!r}]", inner, depth + 1)
            out += _sized(b"m", b"".join(inner))
        case _:
            raise InvalidInputError(
                f"{what} is a {type(value).__module__}.{type(value).__qualname__}, which an index does not store; it "
                "stores None, bytes, texts, numbers, NumPy arrays, and lists and dicts of these"
            )


def _sized(tag: bytes, body: bytes) -> tuple[bytes, bytes, bytes]:
    return tag, _LENGTH.pack(len(body)), body


def _text(value: str, what: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as cause:
        raise InvalidInputError(f"{what} is a text that UTF-8 cannot hold: {cause}") from cause


def _array_bytes(array: np.ndarray, what: str) -> bytes:
    if array.dtype.kind not in _ARRAY_KINDS:
        raise InvalidInputError(f"{what} is an array of dtype {array.dtype}, which an index does not store")
    name = array.dtype.str.encode()
    shape = struct.pack(f"<B{array.ndim}Q", array.ndim, *array.shape)
    return b"".join((*_sized(b"", name), shape, array.tobytes()))


def _array(body: bytes) -> np.ndarray:
    (size,) = _LENGTH.unpack_from(body)
    start = _LENGTH.size + size
    dtype = np.dtype(body[_LENGTH.size : start].decode("ascii"))
    if dtype.kind not in _ARRAY_KINDS:
        raise ValueError(f"an array of dtype {dtype}")
    shape = struct.unpack_from(f"<{body[start]}Q", body, start + 1)
    data = body[start + 1 + 8 * len(shape) :]
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array of {len(data)} bytes with shape {shape} and dtype {dtype}")
    # A copy, because an array over bytes could not be written to.
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy() if data else np.empty(shape, dtype)


def _decode(payload: bytes, at: int, depth: int) -> tuple[Any, int]:
    tag = payload[at : at + 1]
    at += 1
    if tag in (b"n", b"t", b"f"):
        return {b"n": None, b"t": True, b"f": False}[tag], at
    if tag == b"d":
        return _FLOAT.unpack_from(payload, at)[0], at + _FLOAT.size
    (length,) = _LENGTH.unpack_from(payload, at)
    start = at + _LENGTH.size
    end = start + length
    if end > len(payload) or depth > _DEEPEST:
        raise ValueError("a part is longer than the whole")
    if tag in (b"l", b"m"):
        return _container(payload[start:end], tag, depth), end
    return _leaf(payload[start:end], tag), end


def _container(body: bytes, tag: bytes, depth: int) -> Any:
    values, at = [], 0
    while at < len(body):
        value, at = _decode(body, at, depth + 1)
        values.append(value)
    return values if tag == b"l" else dict(zip(values[::2], values[1::2], strict=True))


def _leaf(body: bytes, tag: bytes) -> Any:
    if tag == b"b":
        return body
    if tag == b"s":
        return body.decode()
    if tag == b"i":
        return int(body, 16)
    if tag == b"a":
        return _array(body)
    if tag == b"g":
        return _array(body)[()]
    raise ValueError(f"an unknown tag {tag!r}")
