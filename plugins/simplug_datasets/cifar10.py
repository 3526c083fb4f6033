"""CIFAR-10, through Keras or from its binary files."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, Split, option
from simplug_datasets.keras_download import downloaded
from simplug_datasets.places import require_folder

_WHO = "dataset cifar10"
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = "test_batch.bin"
_PLANES = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32


@attrs.frozen
class Cifar10(Dataset):
    """Photos of ten kinds of things, of 32 x 32 pixels in colour, through Keras or from files (Krizhevsky, 2009).

    Images are uint8 (n, 32, 32, 3) from 0 to 255. Without a `path`, Keras downloads the 50,000 training and 10,000 test
    images once. With one, the folder holds the files of the binary version: ``data_batch_1.bin`` to
    ``data_batch_5.bin`` are the split ``train``, ``test_batch.bin`` is the split ``test``. A folder that lacks some of
    the files for training is used as it is. The Python version, of pickled files, is not read.
    """

    path: str | None = option(None, doc="the folder of the binary version's files; none: Keras downloads the images")

    def load(self) -> Data:
        """Read or download the images.

        Raises:
            DataError: There is no file, one is damaged, or the download failed.
        """
        splits = downloaded("cifar10", _WHO) if self.path is None else _read(Path(self.path).expanduser())
        return Data(splits, dict(enumerate(_CLASSES)))


def _read(folder: Path) -> dict[str, Split]:
    require_folder(folder, _WHO)
    train = [folder / name for name in _TRAIN if (folder / name).is_file()]
    if not train:
        raise DataError(
            f"{_WHO}: {folder} holds none of {_TRAIN[0]} to {_TRAIN[-1]}; it should hold the files of the binary "
            "version, cifar-10-binary.tar.gz, unpacked"
        )
    splits = {"train": _split(train)}
    if (folder / _TEST).is_file():
        splits["test"] = _split([folder / _TEST])
    return splits


def _split(paths: list[Path]) -> Split:
    records = np.concatenate([_records(path) for path in paths])
    images = records[:, 1:].reshape(-1, *_PLANES).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(images), records[:, 0])


def _records(path: Path) -> np.ndarray:
    """Return the records of a file: a label, and the red, green and blue planes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{_WHO}: {path} cannot be read: {error.strerror or error}") from error
    if not content or len(content) % _RECORD:
        raise DataError(f"{_WHO}: {path} holds {len(content)} bytes, which is no multiple of {_RECORD}, one image's")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, _RECORD)
    largest = int(records[:, 0].max())
    if largest >= len(_CLASSES):
        raise DataError(f"{_WHO}: {path} is damaged: it has a label {largest}, and there are {len(_CLASSES)} classes")
    return records
