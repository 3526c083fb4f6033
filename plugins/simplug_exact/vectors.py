"""A block of prepared vectors, in full or rounded."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Block, sums_of_squares

_LEAST_CAPACITY = 64


@attrs.frozen
class Rounding:
    """How vectors are kept: each is divided by a number of its own, then rounded.

    Attributes:
        dtype: ``"float32"``, ``"float16"`` or ``"int8"``; float32 vectors are kept as they are.
        coarse: :attr:`simplug.api.Search.coarse`.
        largest: What the largest component of a vector becomes.
    """

    dtype: str
    coarse: int
    largest: float

    def rounded(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (n, d) numbers of :attr:`dtype`, and the (n,) float32 numbers that the vectors were divided by."""
        sizes = np.max(np.abs(vectors), axis=1, initial=0) / np.float32(self.largest)
        sizes = np.maximum(sizes, np.finfo(np.float32).tiny)
        numbers = vectors / sizes[:, None]
        return (np.rint(numbers) if self.dtype == "int8" else numbers).astype(self.dtype), sizes


ROUNDINGS = {one.dtype: one for one in (Rounding("float32", 0, 1), Rounding("float16", 2, 1), Rounding("int8", 4, 127))}
"""What the option `dtype` chooses from."""


class Vectors:
    """Rows in ascending order and their vectors, in arrays that grow."""

    def __init__(self, dim: int, rounding: Rounding) -> None:
        self._rounding = rounding
        self._rows = np.empty(0, dtype=np.int64)
        self._numbers = np.empty((0, dim), dtype=rounding.dtype)
        self._squares = np.empty(0, dtype=np.float32)
        self._sizes = None if rounding.dtype == "float32" else np.empty(0, dtype=np.float32)
        self._largest = 0.0
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def rows(self) -> np.ndarray:
        """The (n,) rows."""
        return self._rows[: self._used]

    def append(self, rows: np.ndarray, vectors: np.ndarray, capacity: int) -> None:
        """Add (m,) rows, higher than all before, with their (m, d) float32 vectors, and never more than `capacity`."""
        if self._sizes is None:
            self._append(rows, vectors, sums_of_squares(vectors), None, capacity)
        else:
            numbers, sizes = self._rounding.rounded(vectors)
            self._append(rows, numbers, sums_of_squares(_restored(numbers, sizes)), sizes, capacity)

    def join(self, other: Vectors, capacity: int) -> None:
        """Add what another block has, whose rows are higher."""
        end = other._used
        sizes = None if other._sizes is None else other._sizes[:end]
        self._append(other.rows, other._numbers[:end], other._squares[:end], sizes, capacity)

    def keep(self, kept: np.ndarray) -> None:
        """Drop what is not marked in an (n,) mask."""
        positions = np.flatnonzero(kept)
        start = int(np.argmin(kept))  # nothing before the first gap has to move
        count, moved = len(positions), positions[start:]
        for column in self._columns():
            column[start:count] = column[moved]
        self._used = count

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Return the (m, d) float32 vectors at (m,) positions."""
        vectors: np.ndarray = self._numbers[positions]
        return vectors if self._sizes is None else _restored(vectors, self._sizes[positions])

    def scanned(self) -> Block:
        """Return all of them."""
        end = self._used
        numbers = self._numbers[:end]
        vectors = numbers if self._sizes is None else _restored(numbers, self._sizes[:end])
        return Block(self.rows, vectors, self._squares[:end], self._largest)

    def _append(
        self, rows: np.ndarray, numbers: np.ndarray, squares: np.ndarray, sizes: np.ndarray | None, capacity: int
    ) -> None:
        end = self._used + len(rows)
        if end > len(self._rows):
            self._grow(min(capacity, max(end, 2 * len(self._rows), _LEAST_CAPACITY)))
        for column, new in zip(self._columns(), (rows, numbers, squares, sizes), strict=False):
            column[self._used : end] = new
        # Of what is removed it may be left: all that is asked is that none is larger.
        self._largest = max(self._largest, float(squares.max(initial=0)))
        self._used = end

    def _grow(self, capacity: int) -> None:
        def grown(column: np.ndarray) -> np.ndarray:
            larger = np.empty((capacity, *column.shape[1:]), dtype=column.dtype)
            larger[: self._used] = column[: self._used]
            return larger

        self._rows, self._numbers, self._squares = grown(self._rows), grown(self._numbers), grown(self._squares)
        self._sizes = None if self._sizes is None else grown(self._sizes)

    def _columns(self) -> list[np.ndarray]:
        columns = [self._rows, self._numbers, self._squares]
        return columns if self._sizes is None else [*columns, self._sizes]


def _restored(numbers: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    vectors: np.ndarray = numbers.astype(np.float32)
    vectors *= sizes[:, None]
    return vectors
