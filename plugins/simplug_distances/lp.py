"""The Lp distance."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import option
from simplug.api.numerics import Tensor
from simplug_distances.blockwise import minkowski
from simplug_distances.euclidean import squares, squares_numpy
from simplug_distances.normalizing import NormalizingDistance


@attrs.frozen
class Lp(NormalizingDistance):
    r"""The p-norm of the difference, raised to a power; from 0 up.

    .. math:: d(q, r) = \Bigl(\sum_i \lvert q_i - r_i \rvert^p\Bigr)^{\text{power} / p}

    With p 1 it is the Manhattan and with p 2 the Euclidean distance, which serve an index better: this one has no
    plain geometry that an engine knows, so only an exact search takes it. Below 1 it is no metric. Where it has no
    gradient, as at 0, the gradient is taken as 0. What `normalize` divides by is the Euclidean norm for every p.

    Memory is that of a few (n, m) matrices; time grows with n, m and d, and is several times that of ``euclidean``
    where p is not 2.
    """

    p: float = option(2.0, gt=0, doc="the order of the norm")
    power: float = option(1.0, gt=0, doc="what the norm is raised to")

    def between(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances, without an (n, m, d) array."""
        if self.p == 2:
            return _raised(squares(queries, references, unit=self.normalize), self.power / 2)
        return _raised(minkowski(queries, references, self.p), self.power)

    def between_numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances."""
        from scipy.spatial.distance import cdist

        if self.p == 2:
            euclidean: np.ndarray = squares_numpy(queries, references) ** (self.power / 2)
            return euclidean
        norms: np.ndarray = cdist(queries, references, "minkowski", p=self.p)
        return norms**self.power


def _raised(values: Tensor, exponent: float) -> Tensor:
    """Return values of 0 or more raised to a power; where one is 0, the result is 0, with gradient 0."""
    from keras import ops

    if exponent == 1:
        return values
    # The power is taken of 1 where the value is 0, and then multiplied away.
    positive = ops.cast(values > 0, values.dtype)
    return (values + (1 - positive)) ** exponent * positive
