"""The pages of an LMDB file, checked before LMDB follows them.

LMDB trusts its file: a wrong offset in a page reads beyond the page, a wrong page number beyond the file, and a wrong
list of free pages lets the next commit write over records; most of these end the process. So all that LMDB follows is
checked here, by NumPy, many pages at once, with plain reads that no damage can turn into a signal. What the values
hold is not looked at: records have checksums of their own.

The layout is that of LMDB's data format 1 (``mdb.c`` of LMDB 0.9): a page has a header of 16 bytes with its number,
its kind and the bounds of its free space, then the offsets of its nodes, and the nodes at its end. A node has a header
of 8 bytes, its key, and its value, the page number of its child or that of the overflow pages with its value.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType

import attrs
import numpy as np

from simplug.api import ArtifactError
from simplug_lmdb.datafile import Meta, Tree

_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG, _SUBTREE = 1, 2
_INTEGER_KEYS = 8
_HEADER = 16
_NODE = 8
_FIRST_PAGE = 2
_DEEPEST = 32
_HIGHEST = np.uint64(2**64 - 1)
_PAGES_AT_ONCE = 2048


@attrs.frozen(eq=False)
class Leaves:
    """What the leaves of a tree hold.

    Attributes:
        keys: (n,) uint64, ascending.
        values: (n,) values as plain memory, if they were asked for.
        damaged: Pairs of the first and the last key that a damaged page may hold, which LMDB must not be asked for.
    """

    keys: np.ndarray
    values: np.ndarray
    damaged: list[tuple[int, int]]


@attrs.frozen(eq=False)
class _Nodes:
    """The nodes of some pages of one kind, page after page, with the pages that are not sound left out."""

    page: np.ndarray
    slot: np.ndarray
    keys: np.ndarray
    start: np.ndarray
    size: np.ndarray
    number: np.ndarray
    big: np.ndarray


class Pages:
    """The pages of one snapshot of a file; a context manager."""

    def __init__(self, path: os.PathLike[str], meta: Meta) -> None:
        self._path = path
        self._meta = meta
        self._size = meta.page_size
        self._file = os.open(path, os.O_RDONLY)
        try:
            self._used = np.zeros(min(meta.last_page + 1, os.fstat(self._file).st_size // self._size), dtype=bool)
        except BaseException:
            os.close(self._file)
            raise
        self._used[:_FIRST_PAGE] = True

    def __enter__(self) -> Pages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def free(self) -> None:
        """Check the free pages, which have to be asked for before all trees.

        Raises:
            ArtifactError: They are damaged.
        """
        if self._meta.free.flags != _INTEGER_KEYS or self._meta.main.flags:
            raise self._damaged("its trees have flags that no store gives them")
        keys, lists = [], []
        for key, flags, value in self._small(self._meta.free):
            keys.append(int.from_bytes(key, "little"))
            ids = np.frombuffer(value[: len(value) & ~7], dtype=np.uint64)
            count = int(ids[0]) if len(ids) else -1
            if flags & ~_BIG or len(key) != 8 or not 0 <= count < len(ids):
                raise self._damaged("a list of free pages")
            lists.append(ids[1 : 1 + count])
            if (np.diff(lists[-1].astype(np.int64)) >= 0).any():
                raise self._damaged("a list of free pages is not in order")
        if keys != sorted(set(keys)):
            raise self._damaged("the lists of free pages are not in order")
        if not self._take(np.concatenate(lists)) if lists else False:
            raise self._damaged("a page is free twice, or free and in use")

    def trees(self) -> dict[bytes, Tree]:
        """Return the named trees.

        Raises:
            ArtifactError: What names them is damaged.
        """
        found = {}
        for key, flags, value in self._small(self._meta.main):
            if flags != _SUBTREE or len(value) != 48:
                raise self._damaged("the names of its databases")
            found[key] = Tree.unpacked(value)
        if list(found) != sorted(found) or len(found) != self._meta.main.entries:
            raise self._damaged("the names of its databases are not in order")
        return found

    def single(self, tree: Tree) -> None:
        """Check a tree of one leaf.

        Raises:
            ArtifactError: It is damaged.
        """
        if tree.flags or tree.depth > 1 or len(list(self._small(tree))) != tree.entries:
            raise self._damaged("a database of one page")

    def leaves(self, tree: Tree, *, size: int | None = None, keep: bool = False) -> Leaves:
        """Check a tree whose keys are big-endian numbers of 8 bytes.

        Args:
            tree: The tree.
            size: The size of its values; None for any.
            keep: Whether the values are returned.

        Raises:
            ArtifactError: A page above the leaves is damaged, or the tree is not as large as it says.
        """
        none = Leaves(np.empty(0, np.uint64), np.empty(0, f"V{size or 1}"), [])
        if tree.flags or tree.depth > _DEEPEST or (tree.depth == 0) != (tree.root == 2**64 - 1):
            raise self._damaged("what a database says of itself")
        if tree.depth == 0:
            return none
        numbers = np.array([tree.root], dtype=np.uint64)
        first, last = np.zeros(1, np.uint64), np.full(1, _HIGHEST)
        branches = 0
        for _ in range(tree.depth - 1):
            if not self._take(numbers):
                raise self._damaged("a page is in use twice")
            numbers, first, last, pages = self._children(numbers, first, last)
            branches += pages
        return self._leaves(tree, branches, (numbers, first, last), size, keep)

    def _leaves(self, tree: Tree, branches: int, level: tuple[np.ndarray, ...], size: int | None, keep: bool) -> Leaves:
        keys, values, damaged = [], [], []
        overflow = 0
        for numbers, first, last in zip(*(_parts(column) for column in level), strict=True):
            free = self._take_each(numbers)
            pages, whole = self._read(numbers)
            nodes, sound = self._nodes(pages, numbers, _LEAF, fewest=1)
            sound &= free & whole & ~_any(nodes.page, ~np.isin(nodes.big, (0, _BIG)), len(numbers))
            if size is not None:
                sound &= ~_any(nodes.page, nodes.size != size, len(numbers))
            sound &= _in_order(nodes, first, last, len(numbers))
            good = sound[nodes.page]
            for i in np.flatnonzero((nodes.big == _BIG) & good).tolist():
                length = self._overflow(int(nodes.number[i]), int(nodes.size[i]))
                overflow += length
                if not length:
                    damaged.append((int(nodes.keys[i]), int(nodes.keys[i])))
            keys.append(nodes.keys[good])
            if keep and size is not None:
                every = np.ndarray(((pages.size - size) // 2 + 1,), dtype=f"V{size}", buffer=pages.data, strides=(2,))
                values.append(every[(nodes.page[good] * self._size + nodes.start[good]) // 2])
            damaged += [(int(first[i]), int(last[i])) for i in np.flatnonzero(~sound).tolist()]
        found = np.concatenate(keys)
        if not damaged:
            measured = (branches, len(level[0]), overflow, len(found))
            if measured != (tree.branch_pages, tree.leaf_pages, tree.overflow_pages, tree.entries):
                raise self._damaged("a database is not as large as it says")
        return Leaves(found, np.concatenate(values) if keep else np.empty(0, "V1"), damaged)

    def _children(
        self, numbers: np.ndarray, first: np.ndarray, last: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Return the pages below some branch pages, with the first and the last key of each, and how many pages."""
        below = []
        for part, low, high in zip(_parts(numbers), _parts(first), _parts(last), strict=True):
            pages, whole = self._read(part)
            nodes, sound = self._nodes(pages, part, _BRANCH, fewest=2)
            leftmost = nodes.slot == 0
            keys = np.where(leftmost, low[nodes.page], nodes.keys)
            nodes = attrs.evolve(nodes, keys=keys)
            if not (sound & whole & _in_order(nodes, low, high, len(part))).all():
                raise self._damaged("a page above its leaves")
            ends = np.append(keys[1:] - np.uint64(1), _HIGHEST)
            is_last = np.append(leftmost[1:], True)
            below.append((nodes.number, keys, np.where(is_last, high[nodes.page], ends)))
        columns = [np.concatenate(column) for column in zip(*below, strict=True)]
        return columns[0], columns[1], columns[2], len(numbers)

    def _nodes(self, pages: np.ndarray, numbers: np.ndarray, kind: int, *, fewest: int) -> tuple[_Nodes, np.ndarray]:
        """Read the nodes of pages whose keys are big-endian numbers, and say which of the pages are sound."""
        short, size = pages.view(np.uint16), self._size
        lower, upper = short[:, 6].astype(np.int64), short[:, 7].astype(np.int64)
        sound = (pages[:, :8].copy().view(np.uint64)[:, 0] == numbers) & (short[:, 5] == kind)
        sound &= (lower % 2 == 0) & (upper % 2 == 0) & (lower <= upper) & (upper <= size)
        sound &= lower >= _HEADER + 2 * fewest
        counts = np.where(sound, (lower - _HEADER) // 2, 0)
        page = np.repeat(np.arange(len(pages)), counts)
        slot = np.arange(len(page)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = short[page, _HEADER // 2 + slot].astype(np.int64)
        inside = (at % 2 == 0) & (at >= upper[page]) & (at + _NODE + 8 <= size)
        # The leftmost key of a branch page is not used, and may be empty.
        if kind == _BRANCH:
            inside |= (slot == 0) & (at % 2 == 0) & (at >= upper[page]) & (at + _NODE <= size)
        place = page * (size // 2) + np.where(inside, at, 0) // 2
        # Nodes begin at even places, so eight bytes from any such place are taken in one go.
        eight = np.ndarray((pages.size // 2 - 3,), dtype=np.uint64, buffer=pages.data, strides=(2,))
        header = eight[place].view(np.int64)
        length, flags, key_size = header & 0xFFFFFFFF, header >> 32 & 0xFFFF, header >> 48 & 0xFFFF
        keys = eight[np.minimum(place + _NODE // 2, len(eight) - 1)].byteswap()
        start = at + _NODE + 8
        stored = np.where(flags & _BIG, 8, length)
        if kind == _BRANCH:
            inside &= (key_size == 8) | (slot == 0) & (key_size == 0)
            number = (length | flags << 32).astype(np.uint64)
            start, stored, flags = at + _NODE + key_size, np.zeros_like(length), np.zeros_like(flags)
        else:
            inside &= key_size == 8
            number = np.zeros_like(keys)
            big = np.flatnonzero(flags & _BIG)
            number[big] = eight[np.minimum(place[big] + _NODE, len(eight) - 1)]
        ends = start + stored + (start + stored) % 2
        inside &= ends <= size
        sound &= ~_any(page, ~inside, len(pages))
        sound &= self._is_packed(page, at, ends, upper, sound)
        return _Nodes(page, slot, keys, start, length, number, flags), sound

    def _is_packed(
        self, page: np.ndarray, at: np.ndarray, ends: np.ndarray, upper: np.ndarray, sound: np.ndarray
    ) -> np.ndarray:
        """Say of which pages the nodes fill the end, without gap or overlap."""
        order = np.argsort(page * np.int64(2 * self._size) + at, kind="stable")
        page, at, ends = page[order], at[order], ends[order]
        is_first = np.append(True, page[1:] != page[:-1]) if len(page) else np.empty(0, bool)
        before = np.where(is_first, upper[page], np.append(0, ends[:-1]) if len(page) else ends)
        is_last = np.append(is_first[1:], True) if len(page) else is_first
        wrong = (before != at) | (is_last & (ends != self._size))
        return ~_any(page, wrong, len(upper))

    def _overflow(self, number: int, size: int) -> int:
        """Return how many overflow pages a value has; 0 if they are not sound."""
        length = (_HEADER - 1 + size) // self._size + 1
        if number + length > len(self._used) or self._used[number : number + length].any():
            return 0
        self._used[number : number + length] = True
        header = os.pread(self._file, _HEADER, number * self._size)
        is_whole = (
            len(header) == _HEADER
            and int.from_bytes(header[:8], "little") == number
            and int.from_bytes(header[10:12], "little") == _OVERFLOW
            and int.from_bytes(header[12:], "little") == length
        )
        return length if is_whole else 0

    def _small(self, tree: Tree) -> Iterator[tuple[bytes, int, bytes]]:
        """Give key, flags and value of each node of a tree that is read node by node, its pages checked.

        Raises:
            ArtifactError: It is damaged.
        """
        if tree.depth > _DEEPEST or (tree.depth == 0) != (tree.root == 2**64 - 1):
            raise self._damaged("what a database says of itself")
        numbers = [tree.root] if tree.depth else []
        for level in range(tree.depth):
            is_leaf = level == tree.depth - 1
            below: list[int] = []
            for number in numbers:
                if not self._take(np.array([number], dtype=np.uint64)):
                    raise self._damaged("a page is in use twice")
                for key, flags, size, value in self._page(number, _LEAF if is_leaf else _BRANCH):
                    if not is_leaf:
                        below.append(size | flags << 32)
                    elif flags & _BIG:
                        start = int.from_bytes(value, "little")
                        if not self._overflow(start, size):
                            raise self._damaged("a large value")
                        yield key, flags, os.pread(self._file, size, start * self._size + _HEADER)
                    else:
                        yield key, flags, value
            numbers = below

    def _page(self, number: int, kind: int) -> list[tuple[bytes, int, int, bytes]]:
        page = os.pread(self._file, self._size, number * self._size)
        short = np.frombuffer(page, dtype=np.uint16) if len(page) == self._size else np.zeros(8, np.uint16)
        lower, upper = int(short[6]), int(short[7])
        if (
            int.from_bytes(page[:8], "little") != number
            or short[5] != kind
            or not _HEADER + 2 <= lower <= upper <= self._size
            or lower % 2
        ):
            raise self._damaged(f"page {number}")
        nodes, ends = [], {}
        for at in map(int, short[_HEADER // 2 : lower // 2]):
            if at % 2 or not upper <= at <= self._size - _NODE:
                raise self._damaged(f"page {number}")
            low, high, flags, key_size = map(int, short[at // 2 : at // 2 + 4])
            size = low | high << 16
            start = at + _NODE + key_size
            end = start + (0 if kind == _BRANCH else 8 if flags & _BIG else size)
            if end > self._size:
                raise self._damaged(f"page {number}")
            nodes.append((page[at + _NODE : start], flags, size, page[start:end]))
            ends[at] = end + end % 2
        if sorted(ends) != sorted([upper, *ends.values()])[:-1] or max(ends.values()) != self._size:
            raise self._damaged(f"page {number}")
        return nodes

    def _read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (n, size) bytes of pages, and which of them the file has."""
        pages = np.zeros((len(numbers), self._size), dtype=np.uint8)
        there = numbers < len(self._used)
        starts = np.flatnonzero(np.append(True, np.diff(numbers.astype(np.int64)) != 1))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(numbers)], strict=True):
            if there[start:end].all():
                os.preadv(self._file, [pages[start:end].data], int(numbers[start]) * self._size)
            else:
                for i in np.flatnonzero(there[start:end]).tolist():
                    os.preadv(self._file, [pages[start + i].data], int(numbers[start + i]) * self._size)
        return pages, there

    def _take(self, numbers: np.ndarray) -> bool:
        """Mark pages as used; say whether all of them are in the file and were free to use."""
        return bool(self._take_each(numbers).all())

    def _take_each(self, numbers: np.ndarray) -> np.ndarray:
        inside = numbers < len(self._used)
        places = np.where(inside, numbers, 0).astype(np.int64)
        _, firsts = np.unique(places, return_index=True)
        is_first = np.zeros(len(places), dtype=bool)
        is_first[firsts] = True
        free: np.ndarray = inside & ~self._used[places] & is_first
        self._used[places] = True
        return free

    def _damaged(self, what: str) -> ArtifactError:
        return ArtifactError(f"{self._path} is damaged: {what}")


def _parts(column: np.ndarray) -> list[np.ndarray]:
    return [column[start : start + _PAGES_AT_ONCE] for start in range(0, len(column), _PAGES_AT_ONCE)]


def _any(page: np.ndarray, wrong: np.ndarray, count: int) -> np.ndarray:
    """Say which of `count` pages have a node that is wrong."""
    found = np.zeros(count, dtype=bool)
    found[page[wrong]] = True
    return found


def _in_order(nodes: _Nodes, first: np.ndarray, last: np.ndarray, count: int) -> np.ndarray:
    """Say in which pages the keys ascend within the bounds that the page above gives."""
    wrong = (nodes.keys < first[nodes.page]) | (nodes.keys > last[nodes.page])
    falls = (nodes.keys[1:] <= nodes.keys[:-1]) & (nodes.slot[1:] > 0)
    outside, unordered = _any(nodes.page, wrong, count), _any(nodes.page[1:], falls, count)
    sound: np.ndarray = ~(outside | unordered)
    return sound
