"""Numerics that every loss and distance needs and that are easy to get wrong, with static shapes.

Each is safe where its textbook form is not: at zero, with nothing kept by a mask, and in half precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Tensor = Any
"""A tensor of the Keras backend in use."""

_TINY = 1e-12


def as_float(values: Tensor) -> Tensor:
    """Return `values` as float32, or unchanged if they are float64: half precision is too coarse for distances."""
    from keras import ops

    values = ops.convert_to_tensor(values)
    return values if backend_dtype(values) == "float64" else ops.cast(values, "float32")


def safe_sqrt(squares: Tensor) -> Tensor:
    """Return the square root of what is 0 or more, with gradient 0 instead of infinity at 0."""
    from keras import ops

    # The root is taken of 1 where the square is 0, and then multiplied away: cheaper than choosing between branches.
    positive = ops.cast(squares > 0, squares.dtype)
    return ops.sqrt(squares + (1 - positive)) * positive


def unit_rows(rows: Tensor) -> Tensor:
    """Return each row divided by its Euclidean norm; a zero row stays zero, with gradient 0."""
    from keras import ops

    norms = safe_sqrt(ops.sum(ops.square(rows), axis=-1, keepdims=True))
    is_zero = norms <= _TINY
    return ops.where(is_zero, ops.zeros_like(rows), rows / ops.where(is_zero, ops.ones_like(norms), norms))


def log1p_sum_exp(values: Tensor, mask: Tensor) -> Tensor:
    """Return ``log(1 + sum_j mask_ij exp(values_ij))`` of each row.

    The maximum that keeps the exponentials finite is taken over the kept entries (and the 1), so a large value
    outside the mask cannot push the kept ones to zero. A row that keeps nothing gives 0, with gradient 0.

    Args:
        values: (n, m).
        mask: (n, m), non-negative weights; 0 leaves an entry out.
    """
    from keras import ops

    kept = mask > 0
    zeros = ops.zeros_like(values)
    inside = ops.where(kept, values, zeros)
    top = ops.stop_gradient(ops.maximum(ops.max(inside, axis=1, keepdims=True), 0))
    total = ops.sum(ops.where(kept, mask * ops.exp(inside - top), zeros), axis=1)
    top = ops.squeeze(top, axis=1)
    return top + ops.log(ops.exp(-top) + total)


def running_sum(rows: Tensor) -> Tensor:
    """Return the sums of each row's entries up to and including each, (n, m).

    Blocks of a row are summed by one small matrix product: several times faster on a CPU than ``ops.cumsum``.
    """
    from keras import ops

    length = ops.shape(rows)[1]
    missing = -length % _BLOCK
    blocks = ops.reshape(ops.pad(rows, [[0, 0], [0, missing]]), (-1, (length + missing) // _BLOCK, _BLOCK))
    upper = np.triu(np.ones((_BLOCK, _BLOCK))).astype(backend_dtype(rows))
    inside = ops.matmul(blocks, upper)
    totals = inside[:, :, -1]
    before = ops.cumsum(totals, axis=1) - totals
    return ops.reshape(inside + ops.expand_dims(before, 2), (-1, length + missing))[:, :length]


_BLOCK = 32


def backend_dtype(tensor: Tensor) -> str:
    """Return the name of a tensor's dtype."""
    from keras import backend

    return str(backend.standardize_dtype(tensor.dtype))


def unit_rows_numpy(rows: np.ndarray) -> np.ndarray:
    """Return each row divided by its Euclidean norm, in float64; a zero row stays zero."""
    rows = np.asarray(rows, dtype=np.float64)
    # Scaling by the largest entry first keeps the squares of huge and tiny entries within range.
    largest = np.max(np.abs(rows), axis=1, keepdims=True, initial=0)
    rows = rows / np.where(largest == 0, 1.0, largest)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, 1.0, norms)
