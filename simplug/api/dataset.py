"""The contract of data sets: named splits of examples and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
import numpy as np

from simplug.kernel.component import Component
from simplug.kernel.errors import DataError


def _int64_labels(labels: Any) -> np.ndarray:
    """Return labels as int64; a conversion that would change a value, as of 1.5, is refused."""
    values: np.ndarray = np.asarray(labels)
    if values.size and values.dtype.kind not in "iu":
        raise DataError(f"labels are whole numbers, not {values.dtype}")
    return values.astype(np.int64, copy=False)


@attrs.frozen(eq=False)
class Split:
    """Examples and their labels.

    Images are uint8 from 0 to 255 with a channel axis, (n, height, width, channels), unless the user's own file
    holds something else.

    Attributes:
        inputs: (n, ...) examples.
        labels: (n,) int64 labels.

    Raises:
        DataError: Labels are not whole numbers, or not as many as the examples.
    """

    inputs: np.ndarray
    labels: np.ndarray = attrs.field(converter=_int64_labels)

    def __attrs_post_init__(self) -> None:
        if len(self.inputs) != len(self.labels) or self.labels.ndim != 1:
            raise DataError(f"{len(self.inputs)} examples but labels of shape {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: np.ndarray) -> Split:
        """Return the split with only these rows, given as positions or as a mask."""
        return Split(self.inputs[rows], self.labels[rows])


@attrs.frozen(eq=False)
class Data:
    """A loaded data set.

    Attributes:
        splits: The splits by name; ``train`` is always there, ``test`` where the data set has one.
        class_names: The name of each label, where there are names.

    Raises:
        DataError: There is no split named ``train``, or a split is empty.
    """

    splits: Mapping[str, Split]
    class_names: Mapping[int, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if "train" not in self.splits:
            raise DataError(f"a data set has a split named 'train'; this one has {', '.join(self.splits) or 'none'}")
        for name, split in self.splits.items():
            if not len(split):
                raise DataError(f"the {name} split is empty")


class Dataset(Component, ABC):
    """Where examples come from."""

    kind: ClassVar[str] = "dataset"

    @abstractmethod
    def load(self) -> Data:
        """Read the data set.

        Raises:
            DataError: A file is missing or unreadable, lengths differ, or a split is empty; the message names the file.
        """
