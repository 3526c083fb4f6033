"""One positive of every anchor at a time: the way to look at all triplets without an array over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from simplug.api.numerics import Tensor, running_sum

Carry = TypeVar("Carry", bound=tuple[Tensor, ...])


def fold_positives(
    positive: Tensor, step: Callable[[Tensor, Tensor, Carry], Carry], start: Carry
) -> Carry:
    """Go through the positives of all anchors side by side: the first of each, then the second of each, and so on.

    Memory is that of what is carried, time that of the anchor with the most positives. There is no gradient through
    it: a loss works out its value and its slope at each distance in the fold and joins them with :func:`with_slope`.

    Args:
        positive: (n, m) weights; not 0 where column j is a positive of anchor i.
        step: Called with `column`, (n, 1) int32, the column of one positive of each anchor; `present`, (n, 1), 1 where
            the anchor has that many positives and 0 where `column` means nothing (it is then a valid index); and what
            is carried. Returns the new carry, of the same shapes and dtypes.
        start: What is carried at first.
    """
    from keras import ops

    is_positive = ops.stop_gradient(ops.cast(positive > 0, positive.dtype))
    running = running_sum(is_positive)
    count = running[:, -1:]
    most = ops.cast(ops.max(count, initial=0), "int32")
    last = ops.shape(positive)[1] - 1

    def one(k: Tensor, *carry: Tensor) -> tuple[Tensor, ...]:
        rank = ops.cast(k, positive.dtype) + 1
        # As many columns lie before the k-th positive as have a running count below k.
        column = ops.sum(ops.cast(running < rank, "int32"), axis=1, keepdims=True)
        present = ops.cast(count >= rank, positive.dtype)
        return k + 1, *step(ops.minimum(column, last), present, carry)  # type: ignore[arg-type]

    held = tuple(map(ops.stop_gradient, start))
    _, *carried = ops.while_loop(lambda k, *_: k < most, one, (ops.cast(0, "int32"), *held))
    return tuple(carried)  # type: ignore[return-value]


def with_slope(values: Tensor, slope: Tensor, distances: Tensor) -> Tensor:
    """Return `values`, with a gradient that is known: `slope` at each distance.

    Args:
        values: (n,) values of the anchors, without gradient.
        slope: (n, m) derivative of each anchor's value by each distance in its row.
        distances: (n, m), with gradient.
    """
    from keras import ops

    held = ops.stop_gradient(distances)
    return ops.stop_gradient(values) + ops.sum(ops.stop_gradient(slope) * (distances - held), axis=1)
