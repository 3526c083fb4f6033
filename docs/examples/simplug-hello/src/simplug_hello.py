"""The Chebyshev distance for simplug."""

import attrs
import numpy as np

from simplug.api import Distance
from simplug.api.numerics import Tensor, as_float


@attrs.frozen
class Chebyshev(Distance):
    """The largest difference between the coordinates of two vectors."""

    def __call__(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances of (n, d) and (m, d), in Keras ops."""
        from keras import ops

        difference = ops.expand_dims(as_float(queries), 1) - ops.expand_dims(as_float(references), 0)
        return ops.max(ops.abs(difference), axis=-1, initial=0)

    def numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the same distances in NumPy."""
        difference = np.asarray(queries, np.float64)[:, None] - np.asarray(references, np.float64)[None]
        return np.abs(difference).max(axis=-1)
