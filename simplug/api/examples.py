"""Examples that are no single array in memory: read when they are asked for, or made of several inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import attrs
import numpy as np

from simplug.kernel.errors import DataError

Inputs = np.ndarray | dict[str, np.ndarray]
"""The inputs of a batch: an array (b, ...), or one for each named input of the model."""

Shape = tuple[int, ...] | dict[str, tuple[int, ...]]
"""The shape of one example, without the axis of the batch: of its array, or of each named input."""


class Examples(ABC):
    """Examples that a split holds in place of an array (n, ...).

    Several threads may read at once.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of examples."""

    @property
    @abstractmethod
    def example_shape(self) -> Shape:
        """The shape of one example; nothing is read for it."""

    @abstractmethod
    def read(self, rows: np.ndarray) -> Inputs:
        """Return the examples at (b,) positions, in their order.

        Raises:
            DataError: An example cannot be read; the message names its file.
        """

    @abstractmethod
    def take(self, rows: np.ndarray) -> Examples:
        """Return the examples at (m,) positions as a collection of their own; nothing is read."""


@attrs.frozen(eq=False)
class Columns(Examples):
    """Examples of several inputs, by the name of the model's input.

    Attributes:
        columns: For each name an array (n, ...) or further examples, all of one length.

    Raises:
        DataError: There is no column, one holds several inputs itself, or their lengths differ.
    """

    columns: Mapping[str, np.ndarray | Examples]

    def __attrs_post_init__(self) -> None:
        if len({len(column) for column in self.columns.values()}) != 1:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in self.columns.items())
            raise DataError(f"the inputs of an example are columns of one length, not {lengths or 'none'}")
        nested = [name for name, column in self.columns.items() if isinstance(shape_of(column), dict)]
        if nested:
            raise DataError(f"the column '{nested[0]}' holds several inputs; columns are not nested")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def example_shape(self) -> Shape:
        """The shape of each input."""
        return {name: shape_of(column) for name, column in self.columns.items()}  # type: ignore[misc]

    def read(self, rows: np.ndarray) -> Inputs:
        """Return an array for each input."""
        return {name: read(column, rows) for name, column in self.columns.items()}  # type: ignore[misc]

    def take(self, rows: np.ndarray) -> Columns:
        """Return these examples of every column."""
        return Columns({name: take(column, rows) for name, column in self.columns.items()})


def shape_of(examples: np.ndarray | Examples) -> Shape:
    """Return the shape of one example."""
    return examples.example_shape if isinstance(examples, Examples) else examples.shape[1:]


def read(examples: np.ndarray | Examples, rows: np.ndarray) -> Inputs:
    """Return the examples at (b,) positions as arrays."""
    if isinstance(examples, Examples):
        return examples.read(rows)
    # NumPy takes whole examples in two thirds of the time in which it indexes with a list of rows.
    return np.asarray(examples).take(rows, axis=0)


def take(examples: np.ndarray | Examples, rows: np.ndarray) -> np.ndarray | Examples:
    """Return the examples at (m,) positions, still unread if they are not in memory."""
    return examples.take(rows) if isinstance(examples, Examples) else examples[rows]
