"""MNIST, through Keras or from IDX files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, InvalidInputError, Split, option
from simplug_datasets.idx import read_idx

_PREFIXES = {"train": "train", "test": "t10k"}


@attrs.frozen
class Mnist(Dataset):
    """Handwritten digits of 28 x 28 pixels, through Keras or from IDX files (LeCun, Cortes and Burges, 1998).

    Images are uint8 (n, 28, 28, 1) from 0 to 255. Without a `path`, Keras downloads the 60,000 training and 10,000 test
    images once. With one, the folder holds the original files, packed with gzip or not:
    ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` are the split ``train``, the two that begin with
    ``t10k`` the split ``test``; a dot before ``idx`` and the ending ``.gz`` are understood. Data sets of the same form,
    such as Fashion-MNIST, are read alike.

    A folder with only one of the two pairs is a whole data set by itself when `test_rows` says how to cut it.
    """

    path: str | None = option(None, doc="the folder of the IDX files; none: Keras downloads them")
    test_rows: int | None = option(
        None, ge=1, doc="for a folder with one pair of files: its last rows, this many, are the test split"
    )

    def __attrs_post_init__(self) -> None:
        if self.test_rows is not None and self.path is None:
            raise InvalidInputError(
                "test_rows cuts a folder of IDX files; without a path there is a test split already"
            )

    def load(self) -> Data:
        """Read or download the images.

        Raises:
            DataError: A file is missing, damaged or of another length than its partner, `test_rows` does not fit, or
                the download failed.
        """
        splits = _downloaded() if self.path is None else self._read(Path(self.path).expanduser())
        return Data(splits, {digit: str(digit) for digit in range(10)})

    def _read(self, folder: Path) -> dict[str, Split]:
        if not folder.is_dir():
            raise DataError(f"dataset mnist: {folder} is no folder")
        splits = {name: pair for name, prefix in _PREFIXES.items() if (pair := _pair(folder, prefix)) is not None}
        if len(splits) == 2:
            if self.test_rows is not None:
                raise DataError(
                    f"dataset mnist: {folder} holds a test split already; leave test_rows = {self.test_rows} out"
                )
            return splits
        if not splits:
            raise DataError(
                f"dataset mnist: {folder} holds no IDX files; it should hold train-images-idx3-ubyte, "
                "train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, or the same with .gz"
            )
        ((name, whole),) = splits.items()
        if self.test_rows is None:
            raise DataError(
                f"dataset mnist: {folder} holds the {_PREFIXES[name]} files only; "
                f"set test_rows to the number of its {len(whole)} rows, from the end, that are the test split"
            )
        cut = len(whole) - self.test_rows
        if cut < 1:
            raise DataError(
                f"dataset mnist: test_rows = {self.test_rows} leaves no row to train on; {folder} has {len(whole)}"
            )
        return {"train": whole[np.arange(cut)], "test": whole[np.arange(cut, len(whole))]}


def _pair(folder: Path, prefix: str) -> Split | None:
    """Read the images and labels of one split; None when neither is there."""
    images, labels = _find(folder, f"{prefix}-images", 3), _find(folder, f"{prefix}-labels", 1)
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        missing = f"{prefix}-images-idx3-ubyte" if images is None else f"{prefix}-labels-idx1-ubyte"
        raise DataError(f"dataset mnist: {images or labels} is there, but {missing}[.gz] is missing beside it")
    pixels, classes = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if len(pixels) != len(classes):
        raise DataError(f"dataset mnist: {images} holds {len(pixels)} images, but {labels} holds {len(classes)} labels")
    if not pixels.size:
        raise DataError(f"dataset mnist: {images} holds no image; its shape is {pixels.shape}")
    return Split(pixels[..., None], classes)


def _find(folder: Path, stem: str, ndim: int) -> Path | None:
    return next((path for path in _candidates(folder, stem, ndim) if path.is_file()), None)


def _candidates(folder: Path, stem: str, ndim: int) -> Iterator[Path]:
    for ending in ("", ".gz"):
        for separator in "-.":
            yield folder / f"{stem}{separator}idx{ndim}-ubyte{ending}"


def _downloaded() -> dict[str, Split]:
    import keras

    try:
        train, test = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a plain Exception when a download fails.
        raise DataError(
            f"dataset mnist: the download failed: {error}\nwith the files at hand, set path to their folder"
        ) from error
    return {name: Split(images[..., None], labels) for name, (images, labels) in (("train", train), ("test", test))}
