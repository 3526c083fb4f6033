"""The inner product, turned so that smaller is nearer."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs
import numpy as np

from simplug.api.numerics import Tensor, products_of_rows
from simplug_distances.normalizing import NormalizingDistance


@attrs.frozen
class InnerProduct(NormalizingDistance):
    r"""One minus the inner product; any real number.

    .. math:: d(q, r) = 1 - q \cdot r

    The 1 makes it equal the cosine distance on normalised vectors. It is not a metric: a vector is nearest to the
    longest vectors in its direction, not to itself.
    """

    space: ClassVar[Literal["l2", "ip", "l1"] | None] = "ip"

    def between(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances."""
        from keras import ops

        if references is queries:
            return 1 + products_of_rows(queries, -1)
        # The sign goes to the smaller factor: it costs nothing there, and the gradient is not turned back.
        return 1 + ops.matmul(-queries, ops.transpose(references))

    def between_numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances."""
        similarities: np.ndarray = queries @ references.T
        return 1 - similarities
