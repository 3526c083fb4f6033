"""The multi-similarity loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

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

    where :math:`\lambda` is the option `base`. One value an anchor; the default reducer averages over all anchors. The
    paper uses it with the miner ``multi_similarity``, alpha 2, beta 50, base 1, epsilon 0.1.

    Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning", CVPR 2019.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"alpha": 0.01, "beta": 50.6, "base": 0.56},
        "cars": {"alpha": 14.35, "beta": 75.8, "base": 0.66},
        "sop": {"alpha": 8.49, "beta": 57.4, "base": 0.41},
        "cub_mined": {
            "alpha": 18.0,
            "beta": 75.7,
            "base": 0.77,
            "miner": {"name": "multi_similarity", "epsilon": 0.39},
        },
        "cars_mined": {
            "alpha": 7.5,
            "beta": 48.0,
            "base": 0.63,
            "miner": {"name": "multi_similarity", "epsilon": 0.72},
        },
        "sop_mined": {
            "alpha": 15.9,
            "beta": 156.6,
            "base": 0.72,
            "miner": {"name": "multi_similarity", "epsilon": 0.34},
        },
    }

    alpha: float = option(2.0, gt=0, doc="how sharply far positives are weighted")
    beta: float = option(50.0, gt=0, doc="how sharply near negatives are weighted")
    base: float = option(0.5, doc="the similarity between the two kinds of pairs, lambda in the paper")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        excess = distances - (1 - self.base)
        pull = log1p_sum_exp(self.alpha * excess, pairs.positive) / self.alpha
        push = log1p_sum_exp(-self.beta * excess, pairs.negative) / self.beta
        values = pull + push
        return {"anchors": Term(values, ops.ones_like(values))}
