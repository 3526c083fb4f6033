"""The intra-pair variance loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import TINY, Tensor


@attrs.frozen(kw_only=True)
class IntraPairVariance(PairLoss):
    r"""Draws positive pairs to their mean similarity from below, negative pairs to theirs from above.

    With the similarity :math:`s = 1 - d` (the cosine, under the default distance), and :math:`\bar s_+` and
    :math:`\bar s_-` its means over all positive and all negative pairs of the batch

    .. math::
        \bigl[(1 - \varepsilon_+)\, \bar s_+ - s_{ap}\bigr]_+^2 \qquad\text{and}\qquad
        \bigl[s_{an} - (1 + \varepsilon_-)\, \bar s_-\bigr]_+^2

    The two kinds of pairs are reduced apart and then added; the default reducer averages. The paper adds it to the
    loss ``tuplet_margin``.

    Yu, Tao, "Deep Metric Learning with Tuplet Margin Loss", ICCV 2019.
    """

    pos_eps: float = option(0.01, doc="what part of the mean a positive pair may lie below it")
    neg_eps: float = option(0.01, doc="what part of the mean a negative pair may lie above it")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair, and one a negative pair."""
        from keras import ops

        pull = distances - (1 - (1 - self.pos_eps) * _mean_similarity(distances, pairs.positive))
        push = (1 - (1 + self.neg_eps) * _mean_similarity(distances, pairs.negative)) - distances
        return {
            "positive": Term(ops.square(ops.relu(pull)), pairs.positive),
            "negative": Term(ops.square(ops.relu(push)), pairs.negative),
        }


def _mean_similarity(distances: Tensor, weights: Tensor) -> Tensor:
    from keras import ops

    return 1 - ops.sum(distances * weights) / ops.maximum(ops.sum(weights), TINY)
