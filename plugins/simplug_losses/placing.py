"""Positives of all anchors, a few at a time: how many, and how their values get back to their places."""

from __future__ import annotations

from simplug.api.numerics import Tensor

_WIDTHS = ((8, 2**16), (4, 2**22))
"""How many positives to look at together, and how many entries an array over them may have for that."""


def at_once(distances: Tensor) -> int:
    """Return how many positives of each anchor are looked at together: several in a small batch, one in a large one.

    Each look has a cost of its own, which is felt in a small batch; in a large one it is memory that counts, and so it
    does where the size of the batch is not known beforehand.

    Args:
        distances: (n, m).
    """
    n, m = distances.shape
    if n is None or m is None:
        return 1
    return next((width for width, room in _WIDTHS if width * n * m <= room), 1)


def placed(values: Tensor, column: Tensor, columns: Tensor | int) -> Tensor:
    """Return an (n, columns) matrix of zeros but for `values` at `column`; the inverse of taking entries.

    Args:
        values: (n, width); values for the same place are added.
        column: (n, width) int32, valid columns.
        columns: How many columns the matrix has.
    """
    from keras import ops

    rows = ops.shape(values)[0]
    place = column + ops.expand_dims(columns * ops.arange(rows, dtype="int32"), 1)
    flat = ops.segment_sum(ops.reshape(values, (-1,)), ops.reshape(place, (-1,)), rows * columns)
    return ops.reshape(flat, (rows, columns))
