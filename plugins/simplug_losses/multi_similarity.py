"""The multi-similarity loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor, log1p_sum_exp


@attrs.frozen(kw_only=True)
class MultiSimilarity(PairLoss):
    r"""Weighs each pair by its own similarity and by those of the anchor's other pairs.

    With the similarity :math:`s = 1 - d` (the cosine, under the default distance), for each anchor

    .. math::
        \frac{1}{\alpha} \log\Bigl(1 + \sum_{p} e^{-\alpha (s_{ap} - \lambda)}\Bigr)
        + \frac{1}{\beta} \log\Bigl(1 + \sum_{n} e^{\beta (s_{an} - \lambda)}\Bigr)

    where :math:`\lambda` is the option `base`. One value an anchor. The paper uses it with the miner
    ``multi_similarity``, alpha 2, beta 50, epsilon 0.1.

    Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning", CVPR 2019.
    """

    alpha: float = option(2.0, gt=0, doc="how sharply far positives are weighted")
    beta: float = option(50.0, gt=0, doc="how sharply near negatives are weighted")
    base: float = option(0.5, doc="the similarity between the two kinds of pairs, lambda in the paper")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        excess = (1 - distances) - self.base
        pull = log1p_sum_exp(-self.alpha * excess, pairs.positive) / self.alpha
        push = log1p_sum_exp(self.beta * excess, pairs.negative) / self.beta
        values = pull + push
        return {"anchors": Term(values, ops.ones_like(values))}
