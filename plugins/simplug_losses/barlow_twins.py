"""The Barlow Twins loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Projector, ViewLoss, ViewNetwork, option
from simplug.api.numerics import Tensor


@attrs.frozen(kw_only=True)
class BarlowTwins(ViewLoss):
    r"""Makes each dimension agree between the two views and differ from every other dimension.

    Each view's columns are standardised over the batch, with its mean and its variance (the mean of squares) plus
    `eps`, as batch normalisation does. With their cross-correlation :math:`C = \hat Z^\top \hat Z' / n`, (d, d),

    .. math:: \sum_i (1 - C_{ii})^2 + \lambda \sum_i \sum_{j \ne i} C_{ij}^2

    where :math:`\lambda` is the option `redundancy_weight`. One value a batch; a sum over dimensions, so wider
    embeddings cost more. A column that does not vary correlates with nothing; so a batch of one costs d.

    Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021.
    """

    redundancy_weight: float = option(0.005, ge=0, doc="how much correlation between dimensions counts")
    eps: float = option(1e-5, gt=0, doc="what is added to a variance before it divides, in squared units of the rows")

    @property
    def view_network(self) -> ViewNetwork:
        """The paper's projector, with an eighth of its width."""
        return ViewNetwork(projector=Projector(layers=3, width=1024, dim=1024))

    def between(self, first: Tensor, second: Tensor, batch: Batch) -> Tensor:
        """Return the cost of the batch."""
        from keras import ops

        first, second = self._standardised(first), self._standardised(second)
        count = ops.cast(ops.shape(first)[0], first.dtype)
        correlation = ops.matmul(ops.transpose(first), second / count)
        agreement = ops.diagonal(correlation)
        others = correlation * (1 - ops.eye(correlation.shape[0], dtype=correlation.dtype))
        return ops.sum(ops.square(1 - agreement)) + self.redundancy_weight * ops.sum(ops.square(others))

    def _standardised(self, view: Tensor) -> Tensor:
        from keras import ops

        centred = view - ops.mean(view, axis=0, keepdims=True)
        return centred / ops.sqrt(ops.mean(ops.square(centred), axis=0, keepdims=True) + self.eps)
