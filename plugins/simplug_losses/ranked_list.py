"""The ranked list loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor


@attrs.frozen(kw_only=True)
class RankedList(PairLoss):
    r"""Draws positives within a sphere around each anchor and pushes negatives beyond a wider one.

    .. math::
        (1 - \lambda) \frac{\sum_p w_{ap} [d_{ap} - (\alpha - m)]_+}{\sum_p w_{ap}}
        + \lambda \frac{\sum_n w_{an} [\alpha - d_{an}]_+}{\sum_n w_{an}}

    over the pairs that break their bound, weighted by how much they do:
    :math:`w_{ap} = e^{T_p (d_{ap} - (\alpha - m))}` and :math:`w_{an} = e^{T_n (\alpha - d_{an})}`. The weights are
    part of what is differentiated. One value an anchor; a kind of pair of which none breaks its bound adds 0.

    The default distance is the Euclidean distance of normalised embeddings, the default reducer the mean. The defaults
    are those of the paper's simpler form, which has no temperature for positives.

    Wang et al., "Ranked List Loss for Deep Metric Learning", CVPR 2019.
    """

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    alpha: float = option(1.2, doc="how far negatives are to be, in units of the distance")
    margin: float = option(0.4, ge=0, doc="by how much nearer positives are to be, in units of the distance")
    imbalance: float = option(0.5, ge=0, le=1, doc="the part of the negatives in the loss, lambda in the equation")
    pos_temperature: float = option(0.0, ge=0, doc="how sharply far positives are weighted; 0: all alike")
    neg_temperature: float = option(10.0, ge=0, doc="how sharply near negatives are weighted; 0: all alike")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        pull = _weighted_mean(distances - (self.alpha - self.margin), pairs.positive, self.pos_temperature)
        push = _weighted_mean(self.alpha - distances, pairs.negative, self.neg_temperature)
        values = (1 - self.imbalance) * pull + self.imbalance * push
        return {"anchors": Term(values, ops.ones_like(values))}


def _weighted_mean(excess: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """Return the mean of each row's positive excesses with weights ``exp(temperature * excess)``, or 0, (n,)."""
    from keras import ops

    hinge = ops.relu(excess) * weights
    weights = weights * ops.cast(excess > 0, weights.dtype)
    if temperature:
        exponent = temperature * ops.relu(excess)
        kept = exponent * ops.cast(weights > 0, weights.dtype)
        top = ops.stop_gradient(ops.max(kept, axis=1, keepdims=True))
        # What is kept is never above the top, so no exponential overflows; a minimum with 0 would be a tie at the top
        # itself, whose gradient some backends split.
        weights = weights * ops.exp(kept - top)
        hinge = weights * ops.relu(excess)
    total = ops.sum(weights, axis=1)
    return ops.sum(hinge, axis=1) / (total + ops.cast(total <= 0, total.dtype))
