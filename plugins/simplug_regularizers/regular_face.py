"""Class vectors that keep apart from the nearest other."""

from __future__ import annotations

import attrs

from simplug.api import Regularizer
from simplug.api.numerics import Tensor, as_float, unit_rows


@attrs.frozen
class RegularFace(Regularizer):
    r"""The mean, over the class vectors, of the cosine to the nearest other one: it spreads the classes.

    .. math:: \frac{1}{n} \sum_i \max_{j \ne i} \frac{w_i \cdot w_j}{\lVert w_i \rVert \lVert w_j \rVert}

    Meant for the class vectors of a loss with weights, as its ``weight_regularizer``; builds an (n, n) matrix. A zero
    vector has cosine 0 to all others; a single vector has penalty 0.

    Zhao, Xu, Cheng, "RegularFace: Deep Face Recognition via Exclusive Regularization", CVPR 2019.
    """

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the penalty of (n, d) vectors as a scalar, from -1 to 1."""
        from keras import ops

        units = unit_rows(as_float(vectors))
        count = ops.shape(units)[0]
        rows = ops.arange(count)
        itself = ops.cast(ops.equal(ops.expand_dims(rows, 1), ops.expand_dims(rows, 0)), units.dtype)
        # No cosine to another vector is as small as what is left of that to itself.
        nearest = ops.max(ops.matmul(units, ops.transpose(units)) - _BELOW_EVERY_COSINE * itself, axis=1)
        return ops.mean(nearest) * ops.cast(count > 1, units.dtype)


_BELOW_EVERY_COSINE = 4.0
