"""Class vectors of one length."""

from __future__ import annotations

import attrs

from simplug.api import Regularizer
from simplug.api.numerics import Tensor, as_float


@attrs.frozen
class CenterInvariant(Regularizer):
    r"""Keeps the squared norms of class vectors near their mean, so that rare classes are not cut short.

    .. math:: \frac{1}{4 n} \sum_i \Bigl(\lVert w_i \rVert^2 - \frac{1}{n} \sum_j \lVert w_j \rVert^2\Bigr)^2

    Meant for the class vectors of a loss with weights, as its ``weight_regularizer``.

    Wu, Liu, Li, Fu, "Deep Face Recognition with Center Invariant Loss", Thematic Workshops of ACM Multimedia 2017.
    """

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the penalty of (n, d) vectors as a scalar."""
        from keras import ops

        squares = ops.sum(ops.square(as_float(vectors)), axis=1)
        return ops.mean(ops.square(squares - ops.mean(squares))) / 4
