"""The contract of data sets: named splits of examples and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
import numpy as np

from simplug.api.examples import Examples, Inputs, Shape, read, shape_of, take
from simplug.kernel.component import Component
from simplug.kernel.errors import DataError


def _int64_labels(labels: Any) -> np.ndarray:
    """Return labels as int64; a conversion that would change a value, as of 1.5, is refused."""
    values: np.ndarray = np.asarray(labels)
    if values.size and values.dtype.kind not in "iu":
        raise DataError(f"labels are whole numbers, not {values.dtype}")
    if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
        raise DataError(f"labels are at most 2**63 - 1, not {values.max()}")
    return values.astype(np.int64, copy=False)


@attrs.frozen(eq=False)
class Split:
    """Examples and their labels.

    Images are uint8 from 0 to 255 with a channel axis, (n, height, width, channels), unless the user's own file
    holds something else.

    Attributes:
        inputs: (n, ...) examples, in memory or as :class:`Examples` that are read when they are asked for.
        labels: (n,) int64 labels.
        groups: (n,) int64 numbers of what is above the class, such as an alphabet, a super-class or a category; None
            where the data set knows none.

    Raises:
        DataError: Labels or groups are not whole numbers, or not as many as the examples.
    """

    inputs: np.ndarray | Examples
    labels: np.ndarray = attrs.field(converter=_int64_labels)
    groups: np.ndarray | None = attrs.field(default=None, converter=attrs.converters.optional(_int64_labels))

    def __attrs_post_init__(self) -> None:
        for name, column in (("labels", self.labels), ("groups", self.groups)):
            if column is not None and column.shape != (len(self.inputs),):
                raise DataError(f"{len(self.inputs)} examples but {name} of shape {column.shape}")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: np.ndarray) -> Split:
        """Return the split with only these rows, given as positions or as a mask; nothing is read from a file."""
        rows = np.arange(len(self))[rows]
        groups = None if self.groups is None else self.groups[rows]
        return Split(take(self.inputs, rows), self.labels[rows], groups)

    @property
    def example_shape(self) -> Shape:
        """The shape of one example, without the axis of the batch; for several inputs, of each by its name."""
        return shape_of(self.inputs)

    def read(self, rows: np.ndarray | None = None) -> Inputs:
        """Return the examples at (b,) positions, or all of them, as an array (b, ...) or one for each input.

        Raises:
            DataError: An example cannot be read; the message names its file.
        """
        return read(self.inputs, np.arange(len(self)) if rows is None else rows)

    def example(self, row: int) -> Inputs:
        """Return the example at a position, without the axis of the batch."""
        inputs = self.read(np.array([row]))
        return {name: column[0] for name, column in inputs.items()} if isinstance(inputs, dict) else inputs[0]


@attrs.frozen(eq=False)
class Data:
    """A loaded data set.

    Attributes:
        splits: The splits by name; ``train`` is always there, ``test`` where the data set has one.
        class_names: The name of each label, where there are names.
        group_names: The name of each group, where there are names.

    Raises:
        DataError: There is no split named ``train``, or a split is empty.
    """

    splits: Mapping[str, Split]
    class_names: Mapping[int, str] = attrs.field(factory=dict)
    group_names: Mapping[int, str] = attrs.field(factory=dict)

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
