"""The cosine distance."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs
import numpy as np

from simplug.api import Distance
from simplug.api.numerics import (
    Tensor,
    as_float,
    products_of_rows,
    unit_query,
    unit_rows,
    unit_rows_float32,
    unit_rows_numpy,
)


@attrs.frozen
class Cosine(Distance):
    r"""One minus the cosine of the angle between two vectors; from 0 to 2.

    .. math:: d(q, r) = 1 - \frac{q \cdot r}{\lVert q \rVert \lVert r \rVert}

    Vectors need not be normalised. A zero vector has no angle: an index refuses it, and in a loss its distance is 1 to
    everything, with gradient 0.
    """

    space: ClassVar[Literal["l2", "ip", "l1"] | None] = "ip"

    def __call__(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances of (n, d) and (m, d)."""
        from keras import ops

        units = unit_rows(as_float(queries))
        if references is queries:
            return 1 + products_of_rows(units, -1)
        # The sign goes to the smaller factor: it costs nothing there, and the gradient is not turned back.
        return 1 + ops.matmul(-units, ops.transpose(unit_rows(as_float(references))))

    def numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances of (n, d) and (m, d)."""
        cosines: np.ndarray = unit_rows_numpy(queries) @ unit_rows_numpy(references).T
        return 1 - cosines

    def prepare(self, vectors: np.ndarray) -> np.ndarray:
        """Return the vectors divided by their norms."""
        return unit_rows_float32(vectors)

    def prepare_query(self, query: np.ndarray) -> np.ndarray | None:
        """Return the (d,) query divided by its norm, (1, d); None if it has to be looked at more closely."""
        return unit_query(query)

    def invalid_rows(self, vectors: np.ndarray) -> tuple[np.ndarray, str]:
        """Zero vectors have no direction."""
        return ~np.any(vectors, axis=1), "is zero, which has no direction"
