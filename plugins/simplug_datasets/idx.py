"""The IDX file format: a big-endian header and one array of bytes, in a gzip file or plain.

The header is two zero bytes, the type of the elements (8 for unsigned bytes), the number of dimensions, and each
dimension as an unsigned 32-bit number; see http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from simplug.api import DataError

_UNSIGNED_BYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Return the uint8 array of an IDX file, which may be packed with gzip, whatever its name says.

    Args:
        path: The file.
        ndim: The number of dimensions that it must have.

    Raises:
        DataError: The file cannot be read, is no IDX file of unsigned bytes with `ndim` dimensions, or holds fewer or
            more bytes than its header says.
    """
    content = _content(path)
    header = 4 + 4 * ndim
    expected = bytes([0, 0, _UNSIGNED_BYTE, ndim])
    if content[:4] != expected:
        raise DataError(
            f"{path} is no IDX file of unsigned bytes with {ndim} dimensions: it begins with "
            f"{content[:4].hex(' ') or 'nothing'}, not with {expected.hex(' ')}"
        )
    if len(content) < header:
        raise DataError(f"{path} ends after {len(content)} bytes, inside its header of {header}")
    shape = struct.unpack(f">{ndim}I", content[4:header])
    size = math.prod(shape)
    if len(content) - header != size:
        dimensions = " x ".join(map(str, shape))
        raise DataError(f"{path} announces {dimensions} = {size} bytes and holds {len(content) - header}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a truncated or damaged gzip file: {error}") from error
