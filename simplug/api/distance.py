"""The contract of distances: (n, d) and (m, d) to (n, m), in Keras ops for training and in NumPy for search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np

from simplug.api.numerics import Tensor
from simplug.kernel.component import Component


class Distance(Component, ABC):
    """How far two embeddings are apart; smaller is nearer, always.

    Losses that speak of a similarity use ``s = 1 - d``, which for ``cosine`` and ``inner_product`` is the cosine and
    the inner product.

    Attributes:
        space: The plain geometry that this distance is a monotone function of, once :meth:`prepare` was applied to
            the vectors: ``"l2"`` (squared Euclidean distance), ``"ip"`` (one minus the inner product), ``"l1"``;
            None when there is none and only an exact search can serve it. It is what a search engine asks for.
    """

    kind: ClassVar[str] = "distance"
    space: ClassVar[Literal["l2", "ip", "l1"] | None] = None

    @abstractmethod
    def __call__(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances of (n, d) and (m, d), in Keras ops, with finite gradients everywhere.

        Half precision is too coarse for differences: it is taken as float32, as
        :func:`simplug.api.numerics.as_float` does, and so are the distances.
        """

    @abstractmethod
    def numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the same (n, m) distances in NumPy, computed and returned in float64."""

    def prepare(self, vectors: np.ndarray) -> np.ndarray:
        """Return (n, d) vectors as an engine of :attr:`space` must get them; here, unchanged."""
        return vectors

    def prepare_query(self, query: np.ndarray) -> np.ndarray | None:
        """Return one (d,) float32 query as :meth:`prepare` makes it, (1, d), if it is plainly a valid one.

        A lookup of a single query takes some ten microseconds, so this is to be one or two steps that no NaN, no
        infinity, no vector of :meth:`invalid_rows` and none whose square is beyond 2**124 passes. None sends the query
        through all checks; that is what this does here.
        """
        return None

    def from_space(self, values: np.ndarray) -> np.ndarray:
        """Return distances from what an engine of :attr:`space` measured on prepared vectors; here, unchanged."""
        return values

    def invalid_rows(self, vectors: np.ndarray) -> tuple[np.ndarray, str]:
        """Return which of the finite (n, d) vectors this distance is not defined for, as a mask, and why."""
        return np.zeros(len(vectors), dtype=bool), ""
