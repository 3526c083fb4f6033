"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Data, Dataset, Split, option
from simplug_datasets.stratified import with_held_out


@attrs.frozen
class Digits(Dataset):
    """1,797 handwritten digits of 8 x 8 pixels, which come with scikit-learn.

    They are the test set of the "Optical Recognition of Handwritten Digits" data of Alpaydin and Kaynak (1998). The
    grey levels from 0 to 16 become ``rint(level * 255 / 16)``, so the images are uint8 (n, 8, 8, 1) from 0 to 255.
    The same share of each class is held out as the split ``test``.
    """

    test_fraction: float = option(0.25, ge=0, lt=1, doc="the share of each class that is held out; 0: no test split")
    seed: int = option(0, ge=0, doc="the same seed holds out the same images")

    def load(self) -> Data:
        """Read the images; nothing is downloaded."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
        return with_held_out(
            Split(images, bunch.target),
            test_fraction=self.test_fraction,
            seed=self.seed,
            class_names={digit: str(digit) for digit in range(10)},
            source="dataset digits",
        )
