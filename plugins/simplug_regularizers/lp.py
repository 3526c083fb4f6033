"""The norm of the vectors."""

from __future__ import annotations

import attrs

from simplug.api import Regularizer, option
from simplug.api.numerics import Tensor, as_float


@attrs.frozen
class Lp(Regularizer):
    r"""The mean p-norm of the vectors, raised to a power: it keeps them short.

    .. math:: \frac{1}{n} \sum_i \Bigl(\sum_k \lvert x_{ik} \rvert^p\Bigr)^{\text{power} / p}

    Where a norm has no gradient, as at a zero vector, the gradient is taken as 0.
    """

    p: float = option(2.0, gt=0, doc="the order of the norm")
    power: float = option(1.0, gt=0, doc="what the norm is raised to")

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the penalty of (n, d) vectors as a scalar."""
        from keras import ops

        sizes = ops.abs(as_float(vectors))
        # Powers of parts of the largest entry neither overflow nor vanish.
        top = ops.stop_gradient(ops.max(sizes, axis=1, keepdims=True))
        parts = sizes / (top + ops.cast(ops.equal(top, 0), top.dtype))
        totals = ops.sum(_powers(parts, self.p), axis=1)
        return ops.mean(_powers(totals, self.power / self.p) * _powers(top[:, 0], self.power))


def _powers(values: Tensor, exponent: float) -> Tensor:
    """Return values of 0 or more raised to a power; where one is 0, the result is 0, with gradient 0."""
    from keras import ops

    # The power is taken of 1 where the value is 0, and then multiplied away.
    positive = ops.cast(values > 0, values.dtype)
    return (values + (1 - positive)) ** exponent * positive
