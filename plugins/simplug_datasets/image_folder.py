"""Images from a folder with one folder per class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, Split, option
from simplug_datasets.image_files import ImageLoader
from simplug_datasets.nearest import nearest
from simplug_datasets.pictures import SUFFIXES, UNREAD_SUFFIXES, PictureForm
from simplug_datasets.places import require_folder
from simplug_datasets.stratified import with_held_out
from simplug_datasets.unreadable import Unreadable, warn_of_unread

_WHO = "dataset image_folder"
_SPLITS = ("train", "test")


@attrs.frozen
class ImageFolder(Dataset):
    """Images from a folder with one folder per class, or with such folders below ``train`` and ``test``.

    PNG, JPEG, BMP, GIF (the first picture) and WebP files lie directly in the folder of their class; other files, and
    all names that begin with a dot, are ignored. A label is the place of its class among the sorted names of all
    classes. A folder ``train`` that holds folders makes its neighbour ``test`` the test split. Without ``test``, the
    same share of each class is held out. A warning counts and names what looks like images and is not read: pictures of
    other kinds, pictures beside the folders of classes, folders in them, and folders beside ``train`` and ``test``.

    Images are uint8 (n, height, width, channels) from 0 to 255. They are turned upright as their EXIF data say, put on
    white where they are transparent, and stretched to `size`, smoothed where they shrink.

    All images decoded take ``n * height * width * channels`` bytes. Up to 1 GiB they are kept in memory, above it in
    their files, which are then decoded for each batch by all cores; `keep` decides otherwise. Images that stay in their
    files are checked while the data set is loaded: checksums of PNG files, the end of JPEG files, all of others.
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
    keep: Literal["auto", "memory", "files"] = option(
        "auto",
        choices=("auto", "memory", "files"),
        doc="where the images are kept: all decoded in memory, or in their files, read for each batch; "
        "auto: in memory up to 1 GiB",
    )

    def load(self) -> Data:
        """Read all images into memory, or check their files.

        Raises:
            DataError: The folder is missing, or has no classes; a class has no image; an image cannot be read, or has
                another size than the first while `size` is not set.
        """
        folder = Path(self.path).expanduser()
        require_folder(folder, _WHO)
        is_split = bool(_folders(folder / "train"))
        unread = list(_unread(folder, is_split=is_split))
        files = {"train": _files(folder / "train" if is_split else folder)}
        if is_split and (folder / "test").is_dir():
            files["test"] = _files(folder / "test")
        names = sorted({name for classes in files.values() for name in classes})
        splits = self._read(files, {name: label for label, name in enumerate(names)})
        warn_of_unread(_WHO, unread, stacklevel=2)
        class_names = {label: os.fsencode(name).decode(errors="backslashreplace") for label, name in enumerate(names)}
        if "test" in splits:
            return Data(splits, class_names)
        return with_held_out(
            splits["train"],
            test_fraction=self.test_fraction,
            seed=self.seed,
            class_names=class_names,
            source=f"{_WHO}: {folder}",
        )

    def _read(self, files: dict[str, dict[str, list[Path]]], label_of: dict[str, int]) -> dict[str, Split]:
        total = sum(len(paths) for classes in files.values() for paths in classes.values())
        unreadable = Unreadable(_WHO, "images", self.unreadable)
        loader = ImageLoader(_WHO, PictureForm(self.size, self.color), self.keep, unreadable, total)
        splits = {}
        for split, classes in files.items():
            paths = [path for name in classes for path in classes[name]]
            labels = np.array([label_of[name] for name in classes for _ in classes[name]], dtype=np.int64)
            images, is_read = loader.load(paths)
            read_of = np.bincount(labels[is_read], minlength=len(label_of))
            for name in classes:
                if not read_of[label_of[name]]:
                    folder, count = classes[name][0].parent, len(classes[name])
                    raise DataError(f"{_WHO}: none of the images in {folder} can be read, of {count}")
            splits[split] = Split(images, labels[is_read])
        unreadable.warn(total, stacklevel=3)
        return splits


def _files(folder: Path) -> dict[str, list[Path]]:
    """Return the image files of each class, by the name of the class, both sorted."""
    classes = {path.name: _images(path) for path in _folders(folder)}
    if not classes:
        raise DataError(f"{_WHO}: {folder} has no folders; it should have one for each class")
    empty = [name for name, paths in classes.items() if not paths]
    if empty:
        raise DataError(
            f"{_WHO}: {len(empty)} of {len(classes)} classes in {folder} have no image: "
            f"{', '.join(empty[:5])}{', ...' if len(empty) > 5 else ''}\n"
            f"images are files directly in the folder of a class, ending in {', '.join(sorted(SUFFIXES))}"
            + _misplaced(folder, empty)
        )
    return classes


def _misplaced(folder: Path, empty: list[str]) -> str:
    """Say what classes without images may be, when they hold folders."""
    outer = [name for name in empty if _folders(folder / name)]
    if not outer:
        return ""
    split = next((split for split in _SPLITS if nearest(split, outer)), None)
    hint = f"; is '{nearest(split, outer)}' the split '{split}'?" if split else ""
    return f"\nthere are folders in {', '.join(outer[:5])}{', ...' if len(outer) > 5 else ''}{hint}"


def _unread(folder: Path, *, is_split: bool) -> Iterator[Path]:
    """Yield what looks like images, or like a split of them, and is not read."""
    if not is_split:
        yield from _unread_in_classes(folder)
        return
    for path in sorted(_visible(folder)):
        if path.name in _SPLITS:
            yield from _unread_in_classes(path)
        elif path.is_dir() or _is_picture(path):
            yield path


def _unread_in_classes(folder: Path) -> Iterator[Path]:
    for path in sorted(_visible(folder)):
        if path.is_dir():
            yield from (one for one in sorted(_visible(path)) if one.is_dir() or one.suffix.lower() in UNREAD_SUFFIXES)
        elif _is_picture(path):
            yield path


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES | UNREAD_SUFFIXES


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in _visible(folder) if path.is_dir())


def _images(folder: Path) -> list[Path]:
    # A link to nowhere is an image that cannot be read, and not one that is not there.
    found = (path for path in _visible(folder) if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if path.is_file() or (path.is_symlink() and not path.exists()))


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(".")]
