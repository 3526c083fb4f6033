"""The signal-to-noise distance."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api.numerics import Tensor
from simplug_distances.euclidean import squares, squares_numpy
from simplug_distances.normalizing import NormalizingDistance


@attrs.frozen
class SignalToNoise(NormalizingDistance):
    r"""The variance of the difference over the variance of the query (the anchor); from 0 up, not symmetric.

    .. math:: d(q, r) = \frac{\mathrm{var}(q - r)}{\mathrm{var}(q)}

    The variance runs over the components of a vector. A query whose components are all equal has no signal: an index
    refuses it, and in a loss its distances are 0, with gradient 0.

    Yuan et al., "Signal-to-Noise Ratio: A Robust Distance Metric for Deep Metric Learning", CVPR 2019.
    """

    def between(self, queries: Tensor, references: Tensor) -> Tensor:
        """Return the (n, m) distances; centred vectors turn variances into squared distances."""
        from keras import ops

        own = references is queries
        queries = queries - ops.mean(queries, axis=1, keepdims=True)
        references = queries if own else references - ops.mean(references, axis=1, keepdims=True)
        signal = ops.sum(ops.square(queries), axis=1, keepdims=True)
        present = ops.cast(signal > 0, signal.dtype)
        return squares(queries, references, per=present / (signal + (1 - present)))

    def between_numpy(self, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Return the (n, m) float64 distances."""
        queries = queries - queries.mean(axis=1, keepdims=True)
        references = references - references.mean(axis=1, keepdims=True)
        signal = np.sum(queries**2, axis=1, keepdims=True)
        return np.where(signal > 0, squares_numpy(queries, references) / np.where(signal > 0, signal, 1.0), 0.0)

    def prepare_query(self, query: np.ndarray) -> np.ndarray | None:
        """Have every query looked at: whether one has a variance takes more than a step."""
        return None

    def invalid_rows(self, vectors: np.ndarray) -> tuple[np.ndarray, str]:
        """Vectors with equal components have no variance."""
        constant = np.all(vectors == vectors[:, :1], axis=1)
        return constant, "has equal components, and so no variance"
