"""The positives of all anchors side by side: the way to look at all triplets without an array over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from simplug.api.numerics import Tensor, backend_dtype, with_gradient

Carry = TypeVar("Carry", bound=tuple[Tensor, ...])

Widths = tuple[tuple[int, int], ...]
"""How many positives to look at together, and how many entries an array over them may have for that; most first."""

OF_TRIPLETS: Widths = ((4, 2**25),)
"""For a step that holds little more than one array over its triplets."""

_WIDTHS: Widths = ((8, 2**16), (4, 2**22))
_USUAL = 2**22
"""The entries of a matrix whose size is not known beforehand: those of a batch of 2048, which is a large one."""

_BLOCK = 32


def fold_positives(
    positive: Tensor, step: Callable[[Tensor, Tensor, Carry], Carry], start: Carry, width: int = 1
) -> Carry:
    """Go through the positives of all anchors side by side: the first of each, then the second of each, and so on.

    Memory is that of what is carried, time that of the anchor with the most positives. There is no gradient through
    it: a loss works out its value and its slope at each distance in the fold and joins them with :func:`with_slope`.

    Args:
        positive: (n, m) weights; not 0 where column j is a positive of anchor i.
        step: Called with `column`, (n, width) int32, the columns of the next positives of each anchor; `present`,
            (n, width), 1 where the anchor has that many positives and 0 where `column` means nothing (it is then some
            valid index); and what is carried. Returns the new carry, of the same shapes and dtypes.
        start: What is carried at first.
        width: How many positives of each anchor a step gets; see :func:`at_once`. A step that looks at all their
            triplets holds arrays of (n, width, m).
    """
    from keras import ops

    dtype = backend_dtype(positive)
    n, m = ops.shape(positive)[0], ops.shape(positive)[1]
    is_positive = ops.stop_gradient(ops.cast(positive > 0, dtype))
    # A row is cut into blocks, so that a positive is found by its block and its place there: to look through whole
    # rows would cost as much as a step.
    missing = -m % _BLOCK
    per_row = (m + missing) // _BLOCK
    blocks = ops.reshape(ops.pad(is_positive, [[0, 0], [0, missing]]), (-1, _BLOCK))
    in_block = ops.reshape(ops.sum(blocks, axis=1), (-1, per_row))
    until = ops.cumsum(in_block, axis=1)
    before, count = ops.reshape(until - in_block, (-1,)), ops.reshape(until[:, -1], (-1, 1))
    first_block = ops.expand_dims(per_row * ops.arange(n, dtype="int32"), 1)
    upper = np.triu(np.ones((_BLOCK, _BLOCK))).astype(dtype)
    most = ops.cast(ops.max(count, initial=0), "int32")

    def columns(rank: Tensor) -> Tensor:
        passed = ops.cast(ops.expand_dims(until, 1) < ops.expand_dims(rank, 2), "int32")
        block = ops.minimum(ops.sum(passed, axis=2), per_row - 1)
        place = first_block + block
        running = ops.matmul(ops.take(blocks, place, axis=0), upper)
        left = ops.expand_dims(rank - ops.take(before, place), 2)
        inside = ops.sum(ops.cast(running < left, "int32"), axis=2)
        return ops.minimum(block * _BLOCK + inside, m - 1)

    def some(k: Tensor, *carry: Tensor) -> tuple[Tensor, ...]:
        rank = ops.cast(k + 1 + ops.arange(width, dtype="int32"), dtype)
        # Always 0, but known only from what is carried. A step that could start without it would: TensorFlow runs
        # several at a time, and would hold the arrays of all of them.
        waits = ops.minimum(ops.cast(ops.sum(ops.reshape(carry[0], (-1,))[:1]) > 0, "int32"), 0)
        column = columns(ops.broadcast_to(rank, (n, width))) + waits
        present = ops.cast(count >= rank, dtype)
        return k + width, *step(column, present, carry)  # type: ignore[arg-type]

    held = tuple(map(ops.stop_gradient, start))
    _, *carried = ops.while_loop(lambda k, *_: k < most, some, (ops.cast(0, "int32"), *held))
    return tuple(carried)  # type: ignore[return-value]


def at_once(matrix: Tensor, widths: Widths = _WIDTHS) -> int:
    """Return how many positives of each anchor to look at together: several in a small batch, one in a large one.

    Each step has a cost of its own, which is felt in a small batch; in a large one it is memory that counts.

    Args:
        matrix: (n, m), as for :func:`fold_positives`.
        widths: What a step holds arrays for; by default, several arrays of (n, width, m).
    """
    n, m = matrix.shape
    size = _USUAL if n is None or m is None else n * m
    return next((width for width, room in widths if width * size <= room), 1)


def entries(matrix: Tensor, column: Tensor) -> Tensor:
    """Return the entries of each row at its own columns, (n, width).

    Args:
        matrix: (n, m).
        column: (n, width) int32, valid columns.
    """
    from keras import ops

    n, m = ops.shape(matrix)[0], ops.shape(matrix)[1]
    return ops.take(ops.reshape(matrix, (-1,)), column + ops.expand_dims(m * ops.arange(n, dtype="int32"), 1))


def placed(values: Tensor, column: Tensor, columns: Tensor | int) -> Tensor:
    """Return an (n, columns) matrix of zeros but for `values` at `column`; the inverse of :func:`entries`.

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


def with_slope(values: Tensor, slope: Tensor, distances: Tensor) -> Tensor:
    """Return `values`, with a gradient that is known: `slope` at each distance.

    Args:
        values: (n,) values of the anchors, without gradient.
        slope: (n, m) derivative of each anchor's value by each distance in its row.
        distances: (n, m), finite, with gradient.
    """
    from keras import ops

    held = ops.stop_gradient(slope)
    return with_gradient(values, distances, lambda upstream: held * ops.expand_dims(upstream, 1))
