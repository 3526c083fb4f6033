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

import attrs

from simplug.api import ArtifactError

_MAGIC = 0xBEEFC0DE
_VERSION = 1
_PAGE_HEADER = 16
_META = struct.Struct("=IIQQ")
_TREE = struct.Struct("=IHHQQQQQ")
_LAST = struct.Struct("=QQ")
_META_SIZE = _PAGE_HEADER + _META.size + 2 * _TREE.size + _LAST.size


@attrs.frozen
class Tree:
    """Where a B+ tree of the file begins, and what it says of its own size."""

    page_size: int
    flags: int
    depth: int
    branch_pages: int
    leaf_pages: int
    overflow_pages: int
    entries: int
    root: int

    @classmethod
    def unpacked(cls, value: bytes) -> Tree:
        """Read the 48 bytes that describe a tree; only that of the free pages has the size of a page in them."""
        return cls(*_TREE.unpack(value))


@attrs.frozen
class Meta:
    """What a meta page says: one snapshot of the database."""

    last_page: int
    transaction: int
    free: Tree
    main: Tree

    @property
    def page_size(self) -> int:
        """The size of a page, in bytes."""
        return self.free.page_size


def metas(path: Path) -> tuple[Meta, Meta]:
    """Return both meta pages, the older first.

    Raises:
        ArtifactError: The file is no LMDB file of data format 1, ends within its meta pages, or is not there.
    """
    try:
        with path.open("rb") as stream:
            first = _meta(path, stream.read(_META_SIZE))
            stream.seek(first.page_size)
            second = _meta(path, stream.read(_META_SIZE))
    except OSError as cause:
        raise ArtifactError(f"{path} cannot be read: {cause}") from cause
    return (first, second) if first.transaction < second.transaction else (second, first)


def meta_pages(path: Path) -> bytes:
    """Return the bytes of both meta pages."""
    size = metas(path)[0].page_size
    with path.open("rb") as stream:
        return stream.read(2 * size)


def missing_bytes(path: Path) -> int:
    """Return how many bytes the file is shorter than its newer meta page says; 0 if it is long enough.

    Raises:
        ArtifactError: The file is no LMDB file of data format 1, or ends within its meta pages.
    """
    newer = metas(path)[1]
    # The size is asked last: the file of a living writer only grows.
    return max(0, (newer.last_page + 1) * newer.page_size - path.stat().st_size)


def extend(path: Path, missing: int) -> None:
    """Lengthen the file by zero bytes, or shorten it again by a negative number.

    Raises:
        ArtifactError: No file can be that long.
    """
    try:
        os.truncate(path, path.stat().st_size + missing)
    except (OSError, OverflowError) as cause:
        raise ArtifactError(f"{path} lacks {missing} bytes and cannot be that long: {cause}") from cause


def _meta(path: Path, page: bytes) -> Meta:
    if len(page) < _META_SIZE:
        raise ArtifactError(f"{path} is damaged: it ends within its meta pages")
    magic, version, _, _ = _META.unpack_from(page, _PAGE_HEADER)
    at = _PAGE_HEADER + _META.size
    free, main = (Tree.unpacked(page[start : start + _TREE.size]) for start in (at, at + _TREE.size))
    last_page, transaction = _LAST.unpack_from(page, at + 2 * _TREE.size)
    if magic != _MAGIC or not 512 <= free.page_size <= 65536 or free.page_size & (free.page_size - 1):
        raise ArtifactError(f"{path} is damaged: it does not begin as an LMDB file")
    if version != _VERSION:
        raise ArtifactError(f"{path} has LMDB's data format {version}; this reads format {_VERSION}")
    return Meta(last_page, transaction, free, main)
