"""The Euclidean distance and its square."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs
import numpy as np

from simplug.api.numerics import Tensor, backend_dtype, with_gradient
from simplug_distances.normalizing import NormalizingDistance

_NOISE = 8
"""Squares below this many roundings of the norms are noise: the expanded form cannot tell them from 0."""

_UNDER_ROOT = 2.0**-120
"""Far below every square that is not 0, and with an exact root: it keeps the slope of the root at 0 finite."""


@attrs.frozen
class SquaredEuclidean(NormalizingDistance):
    r"""The squared Euclidean distance; from 0 up.

    .. math:: d(q, r) = \lVert q - r \rVert^2

    On normalised vectors it is twice the cosine distance.
    """

    space: ClassVar[Literal["l2", "ip", "l1"] | None] = "l2"

    def between(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances, without an (n, m, d) array."""
        return squares(queries, references, unit=self.normalize)

    def between_numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances."""
        return squares_numpy(queries, references)


@attrs.frozen
class Euclidean(NormalizingDistance):
    r"""The Euclidean distance; from 0 up.

    .. math:: d(q, r) = \lVert q - r \rVert

    Its gradient at 0, where it has none, is taken as 0.
    """

    space: ClassVar[Literal["l2", "ip", "l1"] | None] = "l2"

    def between(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances, without an (n, m, d) array."""
        from keras import ops

        # The slope at a square of 0 is finite here, and `squares` multiplies it by 0.
        return ops.sqrt(squares(queries, references, unit=self.normalize) + _UNDER_ROOT) - _UNDER_ROOT**0.5

    def between_numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances."""
        roots: np.ndarray = np.sqrt(squares_numpy(queries, references))
        return roots

    def from_space(self, values: np.ndarray) -> np.ndarray:
        """Return the square roots of what an engine measured."""
        roots: np.ndarray = np.sqrt(np.maximum(values, 0))
        return roots


def squares(queries: Tensor, references: Tensor, *, unit: bool = False, per: Tensor | None = None) -> Tensor:
    """Return ``|q|^2 + |r|^2 - 2 q.r`` for all pairs; what rounding leaves of equal vectors becomes 0.

    Args:
        queries: (n, d).
        references: (m, d).
        unit: The vectors have norm 1 (or 0), which saves the sums of the norms.
        per: (n, 1), 0 or more; what the distances of each query are multiplied by.

    Returns:
        (n, m), 0 or more, with gradient 0 where it is 0.
    """
    from keras import ops

    if references is not queries or per is not None:
        values, kept = _expanded(queries, references, unit, per)
        return values * kept
    rows = ops.stop_gradient(queries)
    values, kept = _expanded(rows, rows, unit, None)

    def pull(upstream: Tensor) -> Tensor:
        # A vector is on both sides: with both slopes added first, one matrix product gives the gradient.
        slope = upstream * kept
        slope = slope + ops.transpose(slope)
        return 2 * (rows * ops.sum(slope, axis=1, keepdims=True) - ops.matmul(slope, rows))

    return with_gradient(values * kept, queries, pull)


def _expanded(queries: Tensor, references: Tensor, unit: bool, per: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the squares as rounding leaves them, and 1 where they are more than its noise, 0 elsewhere."""
    from keras import ops

    own = ops.sum(ops.square(queries), axis=1, keepdims=True)
    other = own if references is queries else ops.sum(ops.square(references), axis=1, keepdims=True)
    # The norms ride along as two more dimensions: one matrix product gives the squares, and two their gradient.
    left = ops.concatenate([-2 * queries, own, ops.ones_like(own)], axis=1)
    right = ops.concatenate([references, ops.ones_like(other), other], axis=1)
    left = left if per is None else left * per
    values = ops.matmul(left, ops.transpose(right))
    noise = _NOISE * float(np.finfo(backend_dtype(values)).eps)
    if unit:
        least = 2 * noise
    elif per is None:
        least = noise * own + ops.transpose(noise * other)
    else:
        least = per * (noise * own) + ops.matmul(noise * per, ops.transpose(other))
    return values, ops.cast(values > least, values.dtype)


def squares_numpy(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the squared distances of float64 vectors for all pairs, by the same rule."""
    total = np.sum(queries**2, axis=1, keepdims=True) + np.sum(references**2, axis=1)
    values = total - 2 * queries @ references.T
    return np.where(values > _NOISE * np.finfo(np.float64).eps * total, values, 0.0)
