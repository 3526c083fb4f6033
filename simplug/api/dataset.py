"""The contract of data sets: named splits of examples and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import attrs
import numpy as np

from simplug.kernel.component import Component
from simplug.kernel.errors import DataError


@attrs.frozen(eq=False)
class Split:
    """Examples and their labels.

    Images are uint8 from 0 to 255 with a channel axis, (n, height, width, channels), unless the user's own file
    holds something else.

    Attributes:
        inputs: (n, ...) examples.
        labels: (n,) int64 labels.
    """

    inputs: np.ndarray
    labels: np.ndarray = attrs.field(converter=lambda labels: np.asarray(labels, dtype=np.int64))

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
    """

    splits: Mapping[str, Split]
    class_names: Mapping[int, str] = attrs.field(factory=dict)


class Dataset(Component, ABC):
    """Where examples come from."""

    kind: ClassVar[str] = "dataset"

    @abstractmethod
    def load(self) -> Data:
        """Read the data set.

        Raises:
            DataError: A file is missing or unreadable, or lengths differ; the message names the file.
        """
