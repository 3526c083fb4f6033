"""The lifted structure loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor, log_sum_exp


@attrs.frozen(kw_only=True)
class LiftedStructure(PairLoss):
    r"""Pushes the negatives of both ends of each positive pair away, and draws the pair together.

    .. math::
        J_{ap} = \log\Bigl( \sum_{n \in N_a} e^{m_{neg} - d_{an}} + \sum_{n \in N_p} e^{m_{neg} - d_{pn}} \Bigr)
        + d_{ap} - m_{pos}, \qquad
        \tfrac{1}{2} [J_{ap}]_+^2

    One value a positive pair, 0 when neither end has a negative. Against a reference set, the negatives of a
    reference p are the anchors that differ from it. The paper has no margin for positives, which is the default. The
    sums are taken once a row, so that the cost does not grow with the number of positive pairs.

    The default distance is the Euclidean distance of normalised embeddings, the default reducer the mean.

    Oh Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016.
    """

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    pos_margin: float = option(0.0, doc="taken off the distances of positives, in units of the distance")
    neg_margin: float = option(1.0, doc="how far negatives are to be, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair."""
        from keras import ops

        nearness = self.neg_margin - distances
        of_anchors = log_sum_exp(nearness, pairs.negative)
        of_references = of_anchors
        if not batch.own:
            of_references = log_sum_exp(ops.transpose(nearness), ops.transpose(pairs.negative))
        push = _log_add_exp(ops.expand_dims(of_anchors, 1), ops.expand_dims(of_references, 0))
        excess = ops.relu(push + (distances - self.pos_margin))
        return {"positive": Term(ops.square(excess) / 2, pairs.positive)}


def _log_add_exp(first: Tensor, second: Tensor) -> Tensor:
    """Return ``log(exp(first) + exp(second))`` of tensors that broadcast, with its exact gradient at equal values."""
    from keras import ops

    top = ops.stop_gradient(ops.maximum(first, second))
    return top + ops.log(ops.exp(first - top) + ops.exp(second - top))
