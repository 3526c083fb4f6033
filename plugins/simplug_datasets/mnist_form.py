"""Data sets in the form of MNIST: pairs of IDX files in a folder, or through Keras."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, InvalidInputError, Split, option
from simplug_datasets.idx import read_idx
from simplug_datasets.keras_download import downloaded
from simplug_datasets.places import require_folder

_PREFIXES = {"train": "train", "test": "t10k"}


@attrs.frozen
class MnistForm(Dataset):
    """A data set that Keras downloads, or that lies in a folder as pairs of IDX files.

    Attributes:
        known_as: The name of the data set, here and in ``keras.datasets``.
    """

    known_as: ClassVar[str]

    path: str | None = option(None, doc="the folder of the IDX files; none: Keras downloads them")
    test_rows: int | None = option(
        None, ge=1, doc="for a folder with one pair of files: its last rows, this many, are the test split"
    )

    def __attrs_post_init__(self) -> None:
        if self.test_rows is not None and self.path is None:
            raise InvalidInputError(
                "test_rows cuts a folder of IDX files; without a path there is a test split already"
            )

    @property
    @abstractmethod
    def class_names(self) -> dict[int, str]:
        """The name of each label."""

    def load(self) -> Data:
        """Read or download the images.

        Raises:
            DataError: A file is missing, damaged or of another length than its partner, `test_rows` does not fit, or
                the download failed.
        """
        who = f"dataset {self.known_as}"
        if self.path is None:
            return Data(downloaded(self.known_as, who), self.class_names)
        return Data(read_folder(Path(self.path).expanduser(), self.test_rows, who), self.class_names)


def read_folder(folder: Path, test_rows: int | None, who: str) -> dict[str, Split]:
    """Read the splits of a folder; images are uint8 (n, height, width, 1).

    Args:
        folder: The folder of the IDX files, packed with gzip or not.
        test_rows: For a folder with one pair of files: its last rows, this many, are the test split.
        who: The data set, such as ``dataset mnist``.

    Raises:
        DataError: A file is missing, damaged or of another length than its partner, or `test_rows` does not fit.
    """
    require_folder(folder, who)
    splits = {name: pair for name, prefix in _PREFIXES.items() if (pair := _pair(folder, prefix, who)) is not None}
    if len(splits) == 2:
        if test_rows is not None:
            raise DataError(f"{who}: {folder} holds a test split already; leave test_rows = {test_rows} out")
        return splits
    if not splits:
        raise DataError(
            f"{who}: {folder} holds no IDX files; it should hold train-images-idx3-ubyte, "
            "train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, or the same with .gz"
        )
    ((name, whole),) = splits.items()
    if test_rows is None:
        raise DataError(
            f"{who}: {folder} holds the {_PREFIXES[name]} files only; "
            f"set test_rows to the number of its {len(whole)} rows, from the end, that are the test split"
        )
    cut = len(whole) - test_rows
    if cut < 1:
        raise DataError(f"{who}: test_rows = {test_rows} leaves no row to train on; {folder} has {len(whole)}")
    return {"train": whole[np.arange(cut)], "test": whole[np.arange(cut, len(whole))]}


def _pair(folder: Path, prefix: str, who: str) -> Split | None:
    """Read the images and labels of one split; None when neither is there."""
    images, labels = _find(folder, f"{prefix}-images", 3), _find(folder, f"{prefix}-labels", 1)
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        missing = f"{prefix}-images-idx3-ubyte" if images is None else f"{prefix}-labels-idx1-ubyte"
        raise DataError(f"{who}: {images or labels} is there, but {missing}[.gz] is missing beside it")
    pixels, classes = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if len(pixels) != len(classes):
        raise DataError(f"{who}: {images} holds {len(pixels)} images, but {labels} holds {len(classes)} labels")
    if not pixels.size:
        raise DataError(f"{who}: {images} holds no image; its shape is {pixels.shape}")
    return Split(pixels[..., None], classes)


def _find(folder: Path, stem: str, ndim: int) -> Path | None:
    return next((path for path in _candidates(folder, stem, ndim) if path.is_file()), None)


def _candidates(folder: Path, stem: str, ndim: int) -> Iterator[Path]:
    for ending in ("", ".gz"):
        for separator in "-.":
            yield folder / f"{stem}{separator}idx{ndim}-ubyte{ending}"
