"""The Manhattan distance."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs
import numpy as np

from simplug.api.numerics import Tensor
from simplug_distances.blockwise import minkowski
from simplug_distances.normalizing import NormalizingDistance


@attrs.frozen
class Manhattan(NormalizingDistance):
    r"""The sum of the absolute differences; from 0 up.

    .. math:: d(q, r) = \sum_i \lvert q_i - r_i \rvert

    In a loss its memory is that of a few (n, m) matrices; its time grows with n, m and d, and is several times that of
    ``euclidean``. Where two coordinates are equal, the gradient is taken as 0.
    """

    space: ClassVar[Literal["l2", "ip", "l1"] | None] = "l1"

    def between(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances, without an (n, m, d) array."""
        return minkowski(queries, references, 1)

    def between_numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances."""
        from scipy.spatial.distance import cdist

        distances: np.ndarray = cdist(queries, references, "cityblock")
        return distances
