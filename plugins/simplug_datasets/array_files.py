"""Arrays that stay in their NumPy files, one file for each example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from simplug.api import DataError, Examples
from simplug_datasets.unreadable import Unreadable

# What NumPy raises for damaged files; among others, a header is parsed as a Python literal.
_DAMAGE = (OSError, ValueError, EOFError, SyntaxError, TypeError, MemoryError, OverflowError)


@attrs.frozen(eq=False)
class ArrayFiles(Examples):
    """Arrays that are loaded when they are read.

    Attributes:
        paths: (n,) texts: ``.npy`` files.
        shape: The shape that every array has.
        dtype: Their type.
        who: The data set, for the message of an error.
    """

    paths: np.ndarray
    shape: tuple[int, ...]
    dtype: np.dtype
    who: str

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def example_shape(self) -> tuple[int, ...]:
        """The shape of one array."""
        return self.shape

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the arrays at (b,) positions, (b, ...).

        Raises:
            DataError: A file is missing or damaged, differs from what it was, or holds NaN or infinity; the message
                names it.
        """
        paths = self.paths[rows]
        arrays = np.empty((len(paths), *self.shape), dtype=self.dtype)
        for number, path in enumerate(paths):
            try:
                array = np.load(path, allow_pickle=False)
            except _DAMAGE as error:
                raise DataError(f"{self.who}: {path} cannot be read: {error}") from error
            if array.shape != self.shape or array.dtype != self.dtype:
                raise DataError(
                    f"{self.who}: {path} holds {array.dtype} of shape {array.shape}; it held {self.dtype} of shape "
                    f"{self.shape} when the data set was loaded"
                )
            if self.dtype.kind == "f" and not np.isfinite(array).all():
                raise DataError(f"{self.who}: {path} holds NaN or infinity")
            arrays[number] = array
        return arrays

    def take(self, rows: np.ndarray) -> ArrayFiles:
        """Return the arrays at (m,) positions, still in their files."""
        return attrs.evolve(self, paths=self.paths[rows])


def check_arrays(paths: Sequence[Path], who: str, unreadable: Unreadable) -> tuple[ArrayFiles, np.ndarray]:
    """Return the m arrays that can be read, by their headers and lengths, and a mask of them over `paths`.

    Raises:
        DataError: One cannot be read and this is an error, holds no numbers, or is not of the first one's form.
    """
    first: tuple[Path, tuple[int, ...], np.dtype] | None = None
    is_read = np.zeros(len(paths), dtype=bool)
    for place, path in enumerate(paths):
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except _DAMAGE as error:
            unreadable.add(path, (isinstance(error, OSError) and error.strerror) or error)
            continue
        if not isinstance(array, np.ndarray):
            unreadable.add(path, "it is a .npz file, of several arrays")
            continue
        if not array.ndim or not array.size:
            raise DataError(f"{who}: {path} holds an array of shape {array.shape}; an example has at least one number")
        if array.dtype.kind not in "iuf":
            raise DataError(f"{who}: {path} must hold numbers, not {array.dtype}")
        first = first or (path, array.shape, array.dtype)
        if (array.shape, array.dtype) != first[1:]:
            raise DataError(
                f"{who}: {path} holds {array.dtype} of shape {array.shape}, {first[0]} {first[2]} of shape {first[1]}"
            )
        is_read[place] = True
    texts = np.array([str(path) for path in paths], dtype=object)
    _, shape, dtype = first or (None, (), np.dtype(np.float32))
    return ArrayFiles(texts[is_read], shape, dtype, who), is_read
