"""Fashion-MNIST, through Keras or from IDX files."""

from __future__ import annotations

from pathlib import Path

import attrs

from simplug.api import Data, Dataset, InvalidInputError, option
from simplug_datasets.keras_download import downloaded
from simplug_datasets.mnist_form import read_folder

_WHO = "dataset fashion_mnist"
_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@attrs.frozen
class FashionMnist(Dataset):
    """Articles of clothing of 28 x 28 pixels, through Keras or from IDX files (Xiao, Rasul and Vollgraf, 2017).

    Images are uint8 (n, 28, 28, 1) from 0 to 255. Without a `path`, Keras downloads the 60,000 training and 10,000 test
    images once. With one, the folder holds the original files, packed with gzip or not:
    ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` are the split ``train``, the two that begin with
    ``t10k`` the split ``test``; a dot before ``idx`` and the ending ``.gz`` are understood.

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
        if self.path is None:
            splits = downloaded("fashion_mnist", _WHO)
        else:
            splits = read_folder(Path(self.path).expanduser(), self.test_rows, _WHO)
        return Data(splits, dict(enumerate(_CLASSES)))
