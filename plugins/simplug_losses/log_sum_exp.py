"""The logarithm of a sum of exponentials over some entries of each row."""

from __future__ import annotations

from simplug.api.numerics import Tensor

_LEFT_OUT = 1e30
"""Taken off what is left out: far below any value, and its exponential is 0."""


def log_sum_exp(values: Tensor, weights: Tensor) -> Tensor:
    """Return ``log(sum_j weights_ij exp(values_ij))`` of each row, (n,), and -1e30 for a row without weights.

    Args:
        values: (n, m).
        weights: (n, m), 0 or more; 0 leaves an entry out.
    """
    from keras import ops

    kept = ops.cast(weights > 0, values.dtype)
    # Adding 0 to what is kept leaves it as it is, to the last bit.
    inside = values + (kept * _LEFT_OUT - _LEFT_OUT)
    top = ops.stop_gradient(ops.max(inside, axis=1, keepdims=True))
    total = ops.sum(weights * ops.exp(inside - top), axis=1)
    return ops.squeeze(top, axis=1) + ops.log(total + ops.cast(total <= 0, total.dtype))


def log_add_exp(first: Tensor, second: Tensor) -> Tensor:
    """Return ``log(exp(first) + exp(second))`` of tensors that broadcast, with its exact gradient at equal values."""
    from keras import ops

    top = ops.stop_gradient(ops.maximum(first, second))
    return top + ops.log(ops.exp(first - top) + ops.exp(second - top))
