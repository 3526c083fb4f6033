"""The VICReg loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Projector, ViewLoss, ViewNetwork, option
from simplug.api.numerics import Tensor, with_gradient


@attrs.frozen(kw_only=True)
class VicReg(ViewLoss):
    r"""Draws the two views together while each keeps every dimension varied and uncorrelated with the others.

    For two views Z and Z' of n examples in d dimensions, with the covariance matrix C(Z) over the batch,

    .. math::
        \lambda \frac{1}{nd} \lVert Z - Z' \rVert^2
        + \frac{\mu}{2} \bigl(v(Z) + v(Z')\bigr) + \nu \bigl(c(Z) + c(Z')\bigr)
        \\
        v(Z) = \frac{1}{d} \sum_j \Bigl[1 - \sqrt{C(Z)_{jj} + \epsilon}\Bigr]_+ \qquad
        c(Z) = \frac{1}{d} \sum_i \sum_{j \ne i} C(Z)_{ij}^2

    where the three weights are the options. Variances and covariances divide by n - 1. The mean over d and the half
    are those of the authors' code, for which their weights 25, 25, 1 are meant; the paper's text leaves them out.
    (TensorFlow Similarity takes the standard deviation with n.) Embeddings are used as they are, not normalised.
    One value a batch.

    Bardes, Ponce, LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning",
    ICLR 2022.
    """

    invariance_weight: float = option(25.0, ge=0, doc="how much the distance between the views counts, lambda")
    variance_weight: float = option(25.0, ge=0, doc="how much a standard deviation below 1 counts, mu")
    covariance_weight: float = option(1.0, ge=0, doc="how much covariance between dimensions counts, nu")
    eps: float = option(1e-4, gt=0, doc="what is added to a variance before its root, in squared units of the rows")

    @property
    def view_network(self) -> ViewNetwork:
        """The paper's expander, with an eighth of its width."""
        return ViewNetwork(projector=Projector(layers=3, width=1024, dim=1024))

    def between(self, first: Tensor, second: Tensor, batch: Batch) -> Tensor:
        """Return the cost of the batch."""
        from keras import ops

        apart = self.invariance_weight * ops.mean(ops.square(first - second))
        return apart + self._spread(first) + self._spread(second)

    def _spread(self, view: Tensor) -> Tensor:
        """Return the weighted cost of one view's variances and covariances."""
        from keras import ops

        held, dim = ops.stop_gradient(view), view.shape[1]
        divisor = ops.cast(ops.maximum(ops.shape(view)[0] - 1, 1), view.dtype)
        centred = held - ops.mean(held, axis=0, keepdims=True)
        covariance = ops.matmul(ops.transpose(centred), centred) / divisor
        diagonal = ops.eye(dim, dtype=view.dtype)
        deviations = ops.sqrt(ops.diagonal(covariance) + self.eps)
        others = covariance * (1 - diagonal)
        narrow = self.variance_weight / (2 * dim) * ops.sum(ops.relu(1 - deviations))
        shared = self.covariance_weight / dim * ops.sum(ops.square(others))

        # The covariance matrix is symmetric: one product with its slope is the gradient, for which differentiation
        # would take two. The mean has no part in it, as the columns of that product sum to 0.
        widening = ops.cast(deviations < 1, view.dtype) / deviations * (self.variance_weight / (2 * dim))
        slope = 4 * self.covariance_weight / dim * others - diagonal * widening
        return with_gradient(narrow + shared, view, lambda upstream: ops.matmul(centred, upstream / divisor * slope))
