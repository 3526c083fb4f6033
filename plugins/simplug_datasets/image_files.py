"""Images that stay in their files, or are read from them into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import attrs
import numpy as np

from simplug.api import DataError, Examples
from simplug_datasets.pictures import PictureForm, UnreadablePictureError
from simplug_datasets.unreadable import Unreadable

LARGEST_IN_MEMORY = 2**30
"""How many bytes of decoded images are kept in memory when the user does not say where."""

_FEW = 4
"""So few images are decoded sooner than threads are started."""

_AHEAD = 4096
"""So many images are given to the threads at once; to each belongs a record of a kilobyte."""

_T = TypeVar("_T")


@attrs.frozen(eq=False)
class ImageFiles(Examples):
    """Images that are decoded, by several threads, when they are read.

    Attributes:
        paths: (n,) texts: the files.
        form: What the images are brought to.
        shape: The height, width and channels that every image then has.
        who: The data set, for the message of an error.
    """

    paths: np.ndarray
    form: PictureForm
    shape: tuple[int, int, int]
    who: str

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def example_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.shape

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the images at (b,) positions, uint8 (b, height, width, channels) from 0 to 255.

        Raises:
            DataError: A file is missing or damaged, or has another size than it had; the message names it.
        """
        paths = self.paths[rows]
        images = np.empty((len(paths), *self.shape), dtype=np.uint8)

        def place(number: int) -> None:
            images[number] = self._decoded(paths[number])

        for_each(place, range(len(paths)))
        return images

    def take(self, rows: np.ndarray) -> ImageFiles:
        """Return the images at (m,) positions, still in their files."""
        return attrs.evolve(self, paths=self.paths[rows])

    def _decoded(self, path: str) -> np.ndarray:
        try:
            image = self.form.decode(Path(path))
        except UnreadablePictureError as error:
            raise DataError(f"{self.who}: {path} cannot be read: {error}") from error
        if image.shape != self.shape:
            raise DataError(
                f"{self.who}: {path} has {_pixels(image.shape)} pixels; it had {_pixels(self.shape)} when the data "
                "set was loaded"
            )
        return image


class ImageLoader:
    """Reads or checks the images of a data set, split by split.

    Args:
        who: The data set, such as ``dataset image_folder``.
        form: What the images are brought to.
        keep: ``memory``, ``files``, or ``auto``: in memory up to :data:`LARGEST_IN_MEMORY`.
        unreadable: What becomes of images that cannot be read.
        total: The number of images in all splits.
    """

    def __init__(
        self,
        who: str,
        form: PictureForm,
        keep: Literal["auto", "memory", "files"],
        unreadable: Unreadable,
        total: int,
    ) -> None:
        self._who = who
        self._form = form
        self._keep = keep
        self._unreadable = unreadable
        self._total = total
        self._first: tuple[Path, tuple[int, ...]] | None = None

    def load(self, paths: Sequence[Path]) -> tuple[np.ndarray | ImageFiles, np.ndarray]:
        """Return the m images that can be read, (m, height, width, channels), and a mask of them over `paths`.

        Raises:
            DataError: An image cannot be read and this is an error, or two images differ in size.
        """
        if self._stay_in_files(paths):
            return self._checked(paths)
        return self._decoded(paths)

    def _stay_in_files(self, paths: Sequence[Path]) -> bool:
        """Decide once, by the first readable image, which all others must resemble."""
        if self._keep == "auto":
            shape = next((shape for path in paths if isinstance(shape := self._check(path), tuple)), ())
            is_large = self._total * int(np.prod(shape, dtype=np.int64)) > LARGEST_IN_MEMORY
            self._keep = "files" if is_large else "memory"
        return self._keep == "files"

    def _checked(self, paths: Sequence[Path]) -> tuple[ImageFiles, np.ndarray]:
        is_read = np.zeros(len(paths), dtype=bool)
        shape = (0, 0, 0)
        for place, found in enumerate(_in_parallel(self._check, paths)):
            if isinstance(found, UnreadablePictureError):
                self._unreadable.add(paths[place], found)
                continue
            self._require_size(found, paths[place])
            shape = found
            is_read[place] = True
        texts = np.array([str(path) for path in paths], dtype=object)
        return ImageFiles(texts[is_read], self._form, shape, self._who), is_read

    def _decoded(self, paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
        images = np.empty((0, 1, 1, 1), dtype=np.uint8)
        is_read = np.zeros(len(paths), dtype=bool)
        count = 0
        for place, image in enumerate(_in_parallel(self._decode, paths)):
            if isinstance(image, UnreadablePictureError):
                self._unreadable.add(paths[place], image)
                continue
            self._require_size(image.shape, paths[place])
            if not count:  # One array from the start: a list of images would need the memory twice.
                images = np.empty((len(paths), *image.shape), dtype=np.uint8)
            images[count] = image
            is_read[place] = True
            count += 1
        return images[:count], is_read

    def _check(self, path: Path) -> tuple[int, int, int] | UnreadablePictureError:
        try:
            return self._form.check(path)
        except UnreadablePictureError as error:
            return error

    def _decode(self, path: Path) -> np.ndarray | UnreadablePictureError:
        try:
            return self._form.decode(path)
        except UnreadablePictureError as error:
            return error

    def _require_size(self, shape: tuple[int, ...], path: Path) -> None:
        first, expected = self._first = self._first or (path, shape)
        if shape != expected:
            raise DataError(
                f"{self._who}: {path} has {_pixels(shape)} pixels, {first} has {_pixels(expected)}\n"
                "set size = [height, width] to bring all images to one size"
            )


def for_each(work: Callable[[int], None], numbers: range) -> None:
    """Do some work for each number, on all cores where it pays; it must not hold Python's lock."""
    if len(numbers) <= _FEW:
        for number in numbers:
            work(number)
        return
    for _ in _in_parallel(work, numbers):
        pass


def _in_parallel(work: Callable[..., _T], items: Sequence[object]) -> Iterator[_T]:
    """Yield the result of each item in order; Pillow decodes without holding Python's lock.

    The threads end with the last item: threads that outlive a call are missing in a process forked from this one.
    """
    pool = ThreadPoolExecutor()
    try:
        for start in range(0, len(items), _AHEAD):
            yield from pool.map(work, items[start : start + _AHEAD])
    finally:
        pool.shutdown(cancel_futures=True)


def _pixels(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
