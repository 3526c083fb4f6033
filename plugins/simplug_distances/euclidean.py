"""The Euclidean distance and its square."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs
import numpy as np

from simplug.api.numerics import Tensor, safe_sqrt
from simplug_distances.normalizing import NormalizingDistance

_NOISE = 8
"""Squares below this many roundings of the norms are noise: the expanded form cannot tell them from 0."""


@attrs.frozen
class SquaredEuclidean(NormalizingDistance):
    r"""The squared Euclidean distance; from 0 up.

    .. math:: d(q, r) = \lVert q - r \rVert^2

    On normalised vectors it is twice the cosine distance.
    """

    space: ClassVar[Literal["l2", "ip", "l1"] | None] = "l2"

    def between(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances, without an (n, m, d) array."""
        return squares(queries, references)

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
        return safe_sqrt(squares(queries, references))

    def between_numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances."""
        roots: np.ndarray = np.sqrt(squares_numpy(queries, references))
        return roots

    def from_space(self, values: np.ndarray) -> np.ndarray:
        """Return the square roots of what an engine measured."""
        roots: np.ndarray = np.sqrt(np.maximum(values, 0))
        return roots


def squares(queries: Tensor, references: Tensor) -> Tensor:
    """Return ``|q|^2 + |r|^2 - 2 q.r`` for all pairs; what rounding leaves of equal vectors becomes 0."""
    from keras import backend, ops

    own = ops.sum(ops.square(queries), axis=1, keepdims=True)
    other = ops.expand_dims(ops.sum(ops.square(references), axis=1), 0)
    total = own + other
    values = total - 2 * ops.matmul(queries, ops.transpose(references))
    noise = _NOISE * float(np.finfo(backend.standardize_dtype(values.dtype)).eps)
    return ops.where(values > noise * total, values, ops.zeros_like(values))


def squares_numpy(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the squared distances of float64 vectors for all pairs, by the same rule."""
    total = np.sum(queries**2, axis=1, keepdims=True) + np.sum(references**2, axis=1)
    values = total - 2 * queries @ references.T
    return np.where(values > _NOISE * np.finfo(np.float64).eps * total, values, 0.0)
