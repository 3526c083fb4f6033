"""MNIST, through Keras or from IDX files."""

from __future__ import annotations

from typing import ClassVar

import attrs

from simplug_datasets.mnist_form import MnistForm


@attrs.frozen
class Mnist(MnistForm):
    """Handwritten digits of 28 x 28 pixels, through Keras or from IDX files (LeCun, Cortes and Burges, 1998).

    Images are uint8 (n, 28, 28, 1) from 0 to 255. Without a `path`, Keras downloads the 60,000 training and 10,000 test
    images once. With one, the folder holds the original files, packed with gzip or not:
    ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` are the split ``train``, the two that begin with
    ``t10k`` the split ``test``; a dot before ``idx`` and the ending ``.gz`` are understood.

    A folder with only one of the two pairs is a whole data set by itself when `test_rows` says how to cut it.
    """

    known_as: ClassVar[str] = "mnist"

    @property
    def class_names(self) -> dict[int, str]:
        """The name of each label."""
        return {digit: str(digit) for digit in range(10)}
