"""The instance loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor, log_sum_exp
from simplug_losses.diagonal_softmax import diagonal_surprise


@attrs.frozen(kw_only=True)
class Instance(PairLoss):
    r"""Makes each example a class of its own: it must be nearer to itself, or to its other view, than to all others.

    With the similarity :math:`s = 1 - d` (the cosine, under the default distance), for each example :math:`i`

    .. math::
        -\log \frac{e^{\gamma s_{ii}}}{\sum_j e^{\gamma s_{ij}}}

    where :math:`j` runs over the whole batch, whatever its labels. With references, which the paper has (texts for
    images, say), :math:`j` runs over the references, and the example's own is the one with its label; where there are
    several, the mean over them is taken. There is nothing to mine, and a miner is refused. One value an example; the
    default reducer averages.

    Zheng et al., "Dual-Path Convolutional Image-Text Embeddings with Instance Loss", ACM TOMM 2020.
    """

    gamma: float = option(64.0, gt=0, doc="what similarities are multiplied by, the inverse of a temperature")

    def __attrs_post_init__(self) -> None:
        if self.miner is not None:
            raise ValueError("miner has nothing to choose: every example is compared with all others")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an example."""
        from keras import ops

        if batch.own:
            values = diagonal_surprise(distances, -self.gamma)
            return {"examples": Term(values, ops.ones_like(values))}
        logits, count = -self.gamma * distances, ops.sum(pairs.positive, axis=1)
        weights = ops.cast(count > 0, distances.dtype)
        nearness = ops.sum(pairs.positive * logits, axis=1) / (count + (1 - weights))
        return {"examples": Term((log_sum_exp(logits) - nearness) * weights, weights)}
