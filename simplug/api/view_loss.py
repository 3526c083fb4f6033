"""Losses that compare two views of each example, without labels."""

from __future__ import annotations

from abc import abstractmethod

import attrs

from simplug.api.batch import Batch
from simplug.api.loss import Compared, Loss
from simplug.api.numerics import Tensor
from simplug.kernel.errors import InvalidInputError


@attrs.frozen(kw_only=True)
class ViewLoss(Loss):
    """A loss between two views of the same examples; labels are not looked at.

    The views are embeddings and references, row by row; or, without references, the first and the second half of the
    batch. A subclass defines :meth:`between` and, where a projector is not all that a model needs for it,
    :attr:`view_network`.
    """

    @property
    def compares(self) -> Compared:
        """Two views of each example."""
        return "views"

    @abstractmethod
    def between(self, first: Tensor, second: Tensor, batch: Batch) -> Tensor:
        """Return the loss of two views, (n, d) each, float32 or float64; row i of both shows example i."""

    def value(self, batch: Batch) -> Tensor:
        """Return the loss of a checked batch."""
        return self.between(*views_of(batch), batch)


def views_of(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the two views of a batch, (n, d) each.

    Raises:
        InvalidInputError: The views differ in shape, or a batch of both has an odd one.
    """
    if not batch.own:
        for axis, what in enumerate(("rows", "columns")):
            sizes = batch.embeddings.shape[axis], batch.references.shape[axis]
            if None not in sizes and sizes[0] != sizes[1]:
                raise InvalidInputError(
                    f"the two views have {sizes[0]} and {sizes[1]} {what}; row i of both shows example i"
                )
        return batch.embeddings, batch.references
    return halves(batch.embeddings)


def halves(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first views and the second views of a batch that holds one after the other.

    Raises:
        InvalidInputError: The batch has an odd number of rows.
    """
    from keras import ops

    count = rows.shape[0]
    if isinstance(count, int) and count % 2:
        raise InvalidInputError(f"a batch of two views has an even number of rows, first view then second, not {count}")
    half = ops.shape(rows)[0] // 2
    return rows[:half], rows[half:]
