"""Images from a folder with one folder per class."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, Split, option
from simplug_datasets.stratified import with_held_out

if TYPE_CHECKING:
    from PIL import Image

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"})
_MODES = {"gray": "L", "rgb": "RGB"}


class UnreadableImageWarning(UserWarning):
    """Images were left out of a data set because they cannot be read."""


@attrs.frozen
class ImageFolder(Dataset):
    """Images from a folder with one folder per class, or with such folders below ``train`` and ``test``.

    PNG, JPEG, BMP, GIF (the first picture) and WebP files lie directly in the folder of their class; other files, and
    all names that begin with a dot, are ignored. A label is the place of its class among the sorted names of all
    classes. A folder ``train`` that holds folders makes its neighbour ``test`` the test split; other folders beside the
    two are not read. Without ``test``, the same share of each class is held out.

    Images are uint8 (n, height, width, channels) from 0 to 255. They are turned upright as their EXIF data say, put on
    white where they are transparent, and stretched to `size`, smoothed where they shrink.
    """

    path: str = option(doc="the folder")
    size: tuple[int, int] | None = option(
        None, ge=1, doc="height and width in pixels that images are brought to; none: all must have one size already"
    )
    color: Literal["gray", "rgb"] = option("rgb", choices=("gray", "rgb"), doc="'gray': 1 channel, 'rgb': 3 channels")
    test_fraction: float = option(
        0.25, ge=0, lt=1, doc="the share of each class that is held out if there is no folder 'test'; 0: none"
    )
    seed: int = option(0, ge=0, doc="the same seed holds out the same images")
    unreadable: Literal["error", "skip"] = option(
        "error",
        choices=("error", "skip"),
        doc="what an image that cannot be read is: an error, or left out with a warning",
    )

    def load(self) -> Data:
        """Read all images into memory.

        Raises:
            DataError: The folder is missing, or has no classes; a class has no image; an image cannot be read, or has
                another size than the first while `size` is not set.
        """
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            raise DataError(f"dataset image_folder: {folder} is no folder")
        is_split = bool(_folders(folder / "train"))
        files = {"train": _files(folder / "train" if is_split else folder)}
        if is_split and (folder / "test").is_dir():
            files["test"] = _files(folder / "test")
        names = sorted({name for classes in files.values() for name in classes})
        splits = self._read(files, {name: label for label, name in enumerate(names)})
        class_names = dict(enumerate(names))
        if "test" in splits:
            return Data(splits, class_names)
        return with_held_out(
            splits["train"],
            test_fraction=self.test_fraction,
            seed=self.seed,
            class_names=class_names,
            source=f"dataset image_folder: {folder}",
        )

    def _read(self, files: dict[str, dict[str, list[Path]]], label_of: dict[str, int]) -> dict[str, Split]:
        reader = _Reader(self)
        splits = {}
        for split, classes in files.items():
            paths = [path for name in classes for path in classes[name]]
            labels = np.array([label_of[name] for name in classes for _ in classes[name]], dtype=np.int64)
            images, is_read = reader.read(paths)
            read_of = np.bincount(labels[is_read], minlength=len(label_of))
            for name in classes:
                if not read_of[label_of[name]]:
                    folder, count = classes[name][0].parent, len(classes[name])
                    raise DataError(f"dataset image_folder: none of the images in {folder} can be read, of {count}")
            splits[split] = Split(images, labels[is_read])
        reader.warn_of_skipped(sum(len(paths) for classes in files.values() for paths in classes.values()))
        return splits


class _Reader:
    """Reads images in the form that an :class:`ImageFolder` asks for, and remembers what it could not read."""

    def __init__(self, dataset: ImageFolder) -> None:
        self._mode = _MODES[dataset.color]
        self._is_strict = dataset.unreadable == "error"
        self._size = dataset.size
        self._first: tuple[Path, tuple[int, ...]] | None = None
        self._skipped: list[str] = []

    def read(self, paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
        """Return the (m, height, width, channels) images that can be read, and a mask of them over `paths`."""
        from concurrent.futures import ThreadPoolExecutor

        images = np.empty((0, 1, 1, 1), dtype=np.uint8)
        is_read = np.zeros(len(paths), dtype=bool)
        count = 0
        pool = ThreadPoolExecutor()  # Pillow decodes without holding Python's lock.
        try:
            for place, (path, image) in enumerate(zip(paths, pool.map(self._decoded, paths), strict=True)):
                if isinstance(image, Exception):
                    self._refuse_or_skip(path, image)
                    continue
                self._check_size(image, path)
                if not count:  # One array from the start: a list of images would need the memory twice.
                    images = np.empty((len(paths), *image.shape), dtype=np.uint8)
                images[count] = image
                is_read[place] = True
                count += 1
        finally:
            pool.shutdown(cancel_futures=True)
        return images[:count], is_read

    def warn_of_skipped(self, total: int) -> None:
        """Say how many images were left out, and why the first of them were."""
        if self._skipped:
            more = f"\n  and {len(self._skipped) - 5} more" if len(self._skipped) > 5 else ""
            warnings.warn(
                f"dataset image_folder: {len(self._skipped)} of {total} images cannot be read and are left out:\n  "
                + "\n  ".join(self._skipped[:5])
                + more,
                UnreadableImageWarning,
                stacklevel=4,
            )

    def _decoded(self, path: Path) -> np.ndarray | Exception:
        """Return the pixels of an image, or why it cannot be read."""
        from PIL import Image

        # Damaged files make Pillow's decoders raise all of these; a picture of absurd size is as unusable.
        damage = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, struct.error, zlib.error)
        try:
            with Image.open(path) as opened:
                image = self._prepared(opened)
        except (*damage, Image.DecompressionBombError) as error:
            return error
        return np.asarray(image, dtype=np.uint8).reshape(image.height, image.width, -1)

    def _refuse_or_skip(self, path: Path, error: Exception) -> None:
        if self._is_strict:
            raise DataError(
                f"dataset image_folder: {path} cannot be read: {error}\n"
                'set unreadable = "skip" to leave such images out'
            ) from error
        self._skipped.append(f"{path}: {error}")

    def _prepared(self, image: Image.Image) -> Image.Image:
        from PIL import Image, ImageOps

        if self._size is not None:
            # JPEG files can be decoded at a half, a quarter or an eighth of their size, in a fraction of the time.
            twice = 2 * max(self._size)
            image.draft(self._mode, (twice, twice))
        upright = ImageOps.exif_transpose(image)
        converted = _eight_bits(upright).convert(self._mode)
        if self._size is None:
            return converted
        return converted.resize((self._size[1], self._size[0]), Image.Resampling.BILINEAR)

    def _check_size(self, image: np.ndarray, path: Path) -> None:
        first, size = self._first = self._first or (path, image.shape[:2])
        if image.shape[:2] != size:
            raise DataError(
                f"dataset image_folder: {path} has {image.shape[0]} x {image.shape[1]} pixels, {first} has "
                f"{size[0]} x {size[1]}\nset size = [height, width] to bring all images to one size"
            )


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image with 8 bits a channel, without transparency."""
    from PIL import Image

    if image.mode.startswith("I"):  # Pillow would cut 16 bits off at 255 instead of scaling them.
        values = np.asarray(image)
        return Image.fromarray(np.rint(values / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _files(folder: Path) -> dict[str, list[Path]]:
    """Return the image files of each class, by the name of the class, both sorted."""
    classes = {path.name: _images(path) for path in _folders(folder)}
    if not classes:
        raise DataError(f"dataset image_folder: {folder} has no folders; it should have one for each class")
    empty = [name for name, paths in classes.items() if not paths]
    if empty:
        raise DataError(
            f"dataset image_folder: {len(empty)} of {len(classes)} classes in {folder} have no image: "
            f"{', '.join(empty[:5])}{', ...' if len(empty) > 5 else ''}\n"
            f"images are files directly in the folder of a class, ending in {', '.join(sorted(_SUFFIXES))}"
        )
    return classes


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in _visible(folder) if path.is_dir())


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in _visible(folder) if path.suffix.lower() in _SUFFIXES and path.is_file())


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(".")]
