"""Numerics that every loss and distance needs and that are easy to get wrong, with static shapes.

Each is safe where its textbook form is not: at zero, with nothing kept by a mask, and in half precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Tensor = Any
"""A tensor of the Keras backend in use."""

TINY = 1e-12
"""What a sum of weights must exceed to be divided by."""


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

    held = ops.stop_gradient(ops.convert_to_tensor(rows))
    squares = ops.sum(ops.square(held), axis=-1, keepdims=True)
    scale = ops.divide_no_nan(1.0, ops.sqrt(squares))
    units = held * scale
    # What moves a row along itself is lost in the division, so that part is taken out of the gradient.
    return with_gradient(
        units, rows, lambda upstream: (upstream - units * ops.sum(upstream * units, axis=-1, keepdims=True)) * scale
    )


def products_of_rows(rows: Tensor, scale: float = 1) -> Tensor:
    """Return `scale` times the inner product of each row with each, (n, n).

    A row is on both sides, so that one matrix product gives the gradient that takes two when the sides are not known
    to be the same.

    Args:
        rows: (n, d).
        scale: What the products are multiplied by; it costs nothing over (n, n).
    """
    from keras import ops

    held = ops.stop_gradient(ops.convert_to_tensor(rows))
    scaled = held if scale == 1 else scale * held
    return with_gradient(
        ops.matmul(scaled, ops.transpose(held)),
        rows,
        lambda upstream: ops.matmul(upstream + ops.transpose(upstream), scaled),
    )


def log_sum_exp(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return ``log(sum_j w_ij exp(v_ij))`` of each row, (n,).

    The maximum that keeps the exponentials finite is taken over the kept entries, so that a large value outside cannot
    push the kept ones to zero. A row that keeps nothing gives :data:`LOG_OF_NOTHING`, with gradient 0.

    Args:
        values: (n, m).
        weights: (n, m) or (1, m), 0 or more; 0 leaves an entry out. None stands for 1 everywhere.
    """
    from keras import ops

    held = ops.stop_gradient(ops.convert_to_tensor(values))
    if weights is None:
        top = ops.max(held, axis=1, keepdims=True)
        parts = ops.exp(held - top)
        total = ops.sum(parts, axis=1, keepdims=True)
        logs = ops.log(total) + top
    else:
        weights = ops.stop_gradient(ops.convert_to_tensor(weights))
        # Measured from the row's minimum no value is below 0, so that 0 may stand in every place that is left out.
        low = ops.min(held, axis=1, keepdims=True)
        above = (held - low) * ops.cast(weights > 0, held.dtype)
        top = ops.max(above, axis=1, keepdims=True)
        parts = ops.exp(above - top) * weights
        total = ops.sum(parts, axis=1, keepdims=True)
        present = ops.cast(total > 0, held.dtype)
        total = total + (1 - present)
        logs = (ops.log(total) + top + low) * present + LOG_OF_NOTHING * (1 - present)
    return with_gradient(logs[:, 0], values, lambda upstream: parts * (ops.expand_dims(upstream, 1) / total))


LOG_OF_NOTHING = -1e30
"""The logarithm of an empty sum: so low that its exponential is 0, and finite, so that arithmetic goes on."""


def log1p_sum_exp(values: Tensor, weights: Tensor) -> Tensor:
    """Return ``log(1 + sum_j w_ij exp(v_ij))`` of each row, (n,); 0, with gradient 0, where nothing is kept.

    Args:
        values: (n, m).
        weights: (n, m), 0 or more; 0 leaves an entry out.
    """
    from keras import ops

    return ops.softplus(log_sum_exp(values, weights))


def with_gradient(
    result: Tensor, at: Tensor | tuple[Tensor, ...], gradient: Callable[[Tensor], Tensor | tuple[Tensor, ...]]
) -> Tensor:
    """Return `result` as a function of `at` whose gradient is known.

    It spares what differentiation would do step by step: a softmax is at hand as soon as its logarithm is.

    Args:
        result: What was worked out from `at`, without gradient.
        at: The tensor to differentiate by, or several.
        gradient: From the gradient by the result, of the shape of `result`, to that by `at`, of the shape of `at`; a
            tuple for several. What else it looks at must be without gradient.
    """
    from keras import ops

    held = ops.stop_gradient(result)

    def known(*moving: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        # The backends differ in how they pass the gradient from above: as the last argument, or by name.
        def backward(*arguments: Tensor, upstream: Tensor | None = None) -> Tensor:
            return gradient(arguments[0] if upstream is None else upstream)

        return held, backward

    return ops.custom_gradient(known)(*(at if isinstance(at, tuple) else (at,)))


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


_SMALL, _LARGE = 1e-30, 1e30
"""Norms between which one divided by the norm is far from the bounds of float32."""


LARGEST_SQUARE = 2.0**124
"""Squared norms up to this leave room in float32 for the squared distance of any two vectors."""


def unit_rows_float32(rows: np.ndarray) -> np.ndarray:
    """Return each of (n, d) float32 rows divided by its Euclidean norm, in float32; a zero row stays zero.

    A row becomes the same whatever other rows are with it, so that equal vectors stay equal.
    """
    wide = rows.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    is_plain = (norms > _SMALL) & (norms < _LARGE)
    units: np.ndarray = rows * (1 / np.where(is_plain, norms, 1)).astype(np.float32)[:, None]
    if not is_plain.all():
        units[~is_plain] = unit_rows_numpy(rows[~is_plain])
    return units


def unit_query(query: np.ndarray) -> np.ndarray | None:
    """Return a (d,) float32 vector as :func:`unit_rows_float32` makes it, (1, d); None if it is not plainly finite."""
    wide = query.astype(np.float64)
    norm = math.sqrt(wide.dot(wide))
    return (query * (1 / norm))[None] if _SMALL < norm < _LARGE else None


def plain_query(query: np.ndarray) -> np.ndarray | None:
    """Return a (d,) float32 vector as (1, d); None if it is not finite, or so large that squares may overflow."""
    wide = query.astype(np.float64)
    return query[None] if wide.dot(wide) < LARGEST_SQUARE else None


def unit_rows_numpy(rows: np.ndarray) -> np.ndarray:
    """Return each row divided by its Euclidean norm, in float64; a zero row stays zero."""
    rows = np.asarray(rows, dtype=np.float64)
    # Scaling by the largest entry first keeps the squares of huge and tiny entries within range.
    largest = np.max(np.abs(rows), axis=1, keepdims=True, initial=0)
    rows = rows / np.where(largest == 0, 1.0, largest)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, 1.0, norms)
