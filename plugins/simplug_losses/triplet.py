"""The triplet loss over all triplets of a batch."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Reducer, Term, component, option
from simplug.api.numerics import Tensor


@attrs.frozen(kw_only=True)
class Triplet(PairLoss):
    r"""Asks every positive to be nearer to its anchor than every negative, by a margin.

    .. math:: [d_{ap} - d_{an} + m]_+ \quad\text{for all positives } p \text{ and negatives } n \text{ of each anchor}

    All triplets count, at the cost of a sort of each row: an array over (anchor, positive, negative) is never built.
    The default reducer averages over the triplets that cost something.

    Weinberger, Blitzer, Saul, "Distance Metric Learning for Large Margin Nearest Neighbor Classification", NIPS 2006;
    Schroff, Kalenichenko, Philbin, "FaceNet", CVPR 2015.
    """

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    reducer: Reducer = component("reducer", default="mean_nonzero", doc="how the values become one number")
    margin: float = option(0.2, ge=0, doc="by how much a negative must be farther, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair: the mean over its negatives, which its weight stands for."""
        from keras import ops

        # Each row is sorted once, its positives (moved by the margin) and negatives together. In that order the
        # negatives nearer than a moved positive are those before it, and running sums give their number and total.
        reach = ops.concatenate([distances + self.margin, distances], axis=1)
        positive = ops.concatenate([pairs.positive, ops.zeros_like(pairs.negative)], axis=1)
        negative = ops.concatenate([ops.zeros_like(pairs.positive), pairs.negative], axis=1)
        order = ops.stop_gradient(ops.argsort(reach, axis=1))
        reach = ops.take_along_axis(reach, order, axis=1)
        positive = ops.take_along_axis(positive, order, axis=1)
        negative = ops.take_along_axis(negative, order, axis=1)

        count = ops.cumsum(negative, axis=1)
        hinges = reach * count - ops.cumsum(negative * reach, axis=1)
        in_row = ops.sum(pairs.negative, axis=1, keepdims=True)
        values = ops.relu(hinges) / ops.where(in_row > 0, in_row, ops.ones_like(in_row))
        return {"triplets": Term(values, positive * in_row, active=positive * count)}
