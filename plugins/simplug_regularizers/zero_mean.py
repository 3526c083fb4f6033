"""The sum of each vector's entries."""

from __future__ import annotations

import attrs

from simplug.api import Regularizer
from simplug.api.numerics import Tensor, as_float


@attrs.frozen
class ZeroMean(Regularizer):
    r"""The mean absolute sum of each vector's entries: it keeps their mean at 0.

    .. math:: \frac{1}{n} \sum_i \Bigl\lvert \sum_k x_{ik} \Bigr\rvert
    """

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the penalty of (n, d) vectors as a scalar."""
        from keras import ops

        return ops.mean(ops.abs(ops.sum(as_float(vectors), axis=1)))
