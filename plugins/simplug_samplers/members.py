"""The rows of each class of a split, and what is said of classes that have few."""

from __future__ import annotations

import warnings

import attrs
import numpy as np

from simplug.api import DataError, InvalidInputError, Split


class SmallClassWarning(UserWarning):
    """A class has fewer examples than a batch takes of it, so that a batch holds some of them more than once."""


@attrs.frozen(eq=False)
class Members:
    """Who belongs to which class.

    Attributes:
        labels: (c,) the labels, ascending.
        rows: The rows of each class, ascending.
    """

    labels: np.ndarray
    rows: list[np.ndarray]

    @classmethod
    def of(cls, split: Split) -> Members:
        """Return the members of the classes of a split."""
        labels, counts = np.unique(split.labels, return_counts=True)
        rows = np.split(np.argsort(split.labels, kind="stable"), np.cumsum(counts)[:-1])
        return cls(labels, rows if len(labels) else [])

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
        """Warn once of classes that have fewer rows than a batch takes of each."""
        counts = [len(rows) for rows in self.rows]
        small = np.flatnonzero(np.array(counts) < examples_per_class)
        if small.size:
            listing = ", ".join(f"{self.labels[i]} has {counts[i]}" for i in small[:5])
            warnings.warn(
                f"sampler {who}: {len(small)} of {len(self.labels)} classes have fewer examples than "
                f"examples_per_class = {examples_per_class}, so batches repeat some of them: "
                f"class {listing}{', ...' if len(small) > 5 else ''}",
                SmallClassWarning,
                stacklevel=3,
            )


def require_steps(who: str, steps: int) -> None:
    """Refuse an epoch without a batch.

    Raises:
        InvalidInputError: `steps` is below 1.
    """
    if steps < 1:
        raise InvalidInputError(f"sampler {who}: steps must be at least 1, not {steps}")
