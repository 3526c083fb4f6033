"""The rows of each class of a split, and what is said of classes that have few."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import overload

import attrs
import numpy as np

from simplug.api import DataError, InvalidInputError, SimplugWarning, Split

_BLOCK = 65536


class SmallClassWarning(SimplugWarning):
    """A class has fewer examples than a batch takes of it, so that a batch holds some of them more than once."""


@attrs.frozen(eq=False)
class Members:
    """Who belongs to which class.

    Attributes:
        labels: (c,) the labels, ascending.
        rows: The rows of each class, ascending. For a split that stands by class they are made when they are asked
            for: what is held then does not grow with the number of examples.
    """

    labels: np.ndarray
    rows: Sequence[np.ndarray]

    @classmethod
    def of(cls, split: Split) -> Members:
        """Return the members of the classes of a split."""
        starts = _starts(split.labels)
        if starts is not None:
            return cls(split.labels[starts[:-1]], _Ranges(starts))
        labels, counts = np.unique(split.labels, return_counts=True)
        rows = np.split(np.argsort(split.labels, kind="stable"), np.cumsum(counts)[:-1])
        return cls(labels, rows)

    def require(self, who: str, setting: str, classes: int) -> None:
        """Refuse a split with too few classes.

        Raises:
            DataError: There are fewer than `classes`.
        """
        if len(self.labels) < classes:
            raise DataError(
                f"sampler {who}: the data set has {len(self.labels)} classes to train on, fewer than "
                f"{setting} = {classes}"
            )

    def warn_of_small(self, who: str, examples_per_class: int) -> None:
        """Warn once of classes that have fewer rows than a batch takes of each.

        They are counted and not named: a run numbers the classes that it trains on anew.
        """
        counts = np.sort([len(rows) for rows in self.rows])
        small = counts[counts < examples_per_class]
        if small.size:
            sizes = ", ".join(map(str, small[:5])) + (", ..." if len(small) > 5 else "")
            warnings.warn(
                f"sampler {who}: {len(small)} of {len(self.labels)} classes have fewer examples than "
                f"examples_per_class = {examples_per_class}, so batches repeat some of them; the smallest have {sizes}",
                SmallClassWarning,
                stacklevel=3,
            )


class _Ranges(Sequence[np.ndarray]):
    """The rows of classes that stand one after another.

    Args:
        starts: (c + 1,) where each class begins, and the end.
    """

    def __init__(self, starts: np.ndarray) -> None:
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, number: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, number: slice) -> list[np.ndarray]: ...

    def __getitem__(self, number: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        starts, ends = self._starts[:-1], self._starts[1:]
        return np.arange(starts[number], ends[number])


def _starts(labels: np.ndarray) -> np.ndarray | None:
    """Return where each class begins, and the end, for ascending labels; None if they are not ascending.

    Labels may be a mapped file, so they are looked at a block at a time.
    """
    starts = [np.zeros(min(len(labels), 1), dtype=np.int64)]
    for begin in range(0, len(labels), _BLOCK):
        block = labels[begin : begin + _BLOCK + 1]
        if (block[1:] < block[:-1]).any():
            return None
        starts.append(np.flatnonzero(block[1:] != block[:-1]) + begin + 1)
    return np.concatenate([*starts, [len(labels)]])


def require_steps(who: str, steps: int) -> None:
    """Refuse an epoch without a batch.

    Raises:
        InvalidInputError: `steps` is below 1.
    """
    if steps < 1:
        raise InvalidInputError(f"sampler {who}: steps must be at least 1, not {steps}")
