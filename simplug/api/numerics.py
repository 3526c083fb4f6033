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
    from keras import backend, ops

    values = ops.convert_to_tensor(values)
    return values if backend.standardize_dtype(values.dtype) == "float64" else ops.cast(values, "float32")


def safe_sqrt(squares: Tensor) -> Tensor:
    """Return the square root, with gradient 0 instead of infinity at 0."""
    from keras import ops

    positive = squares > 0
    # The value inside is replaced, too: the gradient of the branch not taken must be finite.
    return ops.where(positive, ops.sqrt(ops.where(positive, squares, ops.ones_like(squares))), ops.zeros_like(squares))


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


def unit_rows_numpy(rows: np.ndarray) -> np.ndarray:
    """Return each row divided by its Euclidean norm, in float64; a zero row stays zero."""
    rows = np.asarray(rows, dtype=np.float64)
    # Scaling by the largest entry first keeps the squares of huge and tiny entries within range.
    largest = np.max(np.abs(rows), axis=1, keepdims=True, initial=0)
    rows = rows / np.where(largest == 0, 1.0, largest)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, 1.0, norms)
