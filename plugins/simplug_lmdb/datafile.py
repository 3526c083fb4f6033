"""The file of an LMDB database, looked at before LMDB maps it.

LMDB maps its file into memory, and reading a page beyond the end of the file ends the process (SIGBUS). So the size
of the file is compared with what its meta pages promise. The promise may be a few pages too high in a healthy file:
pages that a transaction took and gave back are counted and never written. A writer therefore extends the file with
zeros to the promised size after each commit, and what is missing afterwards was lost.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from simplug.api import ArtifactError

_MAGIC = 0xBEEFC0DE
_VERSION = 1
_PAGE_HEADER = 16
_PAGE_SIZE_AT = _PAGE_HEADER + 24
_LAST_PAGE_AT = _PAGE_HEADER + 120
_META_SIZE = _PAGE_HEADER + 136


def missing_bytes(path: Path) -> int:
    """Return how many bytes the file is shorter than its newer meta page says; 0 if it is long enough.

    Raises:
        ArtifactError: The file is no LMDB file of data format 1, or ends within its meta pages.
    """
    with path.open("rb") as stream:
        first = _meta(path, stream.read(_META_SIZE))
        stream.seek(first[0])
        second = _meta(path, stream.read(_META_SIZE))
        page_size, last_page, _ = max(first, second, key=lambda meta: meta[2])
        # The size is asked last: the file of a living writer only grows.
        return max(0, (last_page + 1) * page_size - os.fstat(stream.fileno()).st_size)


def extend(path: Path, missing: int) -> None:
    """Lengthen the file by zero bytes, or shorten it again by a negative number."""
    os.truncate(path, path.stat().st_size + missing)


def _meta(path: Path, page: bytes) -> tuple[int, int, int]:
    """Return page size, last page and transaction of a meta page."""
    if len(page) < _META_SIZE:
        raise ArtifactError(f"{path} is damaged: it ends within its meta pages")
    magic, version = struct.unpack_from("=II", page, _PAGE_HEADER)
    (page_size,) = struct.unpack_from("=I", page, _PAGE_SIZE_AT)
    last_page, transaction = struct.unpack_from("=QQ", page, _LAST_PAGE_AT)
    if magic != _MAGIC or not 512 <= page_size <= 65536 or page_size & (page_size - 1):
        raise ArtifactError(f"{path} is damaged: it does not begin as an LMDB file")
    if version != _VERSION:
        raise ArtifactError(f"{path} has LMDB's data format {version}; this reads format {_VERSION}")
    return page_size, last_page, transaction
