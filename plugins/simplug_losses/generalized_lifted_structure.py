"""The generalized lifted structure loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor, log_sum_exp


@attrs.frozen(kw_only=True)
class GeneralizedLiftedStructure(PairLoss):
    r"""Draws all positives of an anchor near and pushes all its negatives away, by smooth extremes of the distances.

    .. math::
        \Bigl[ \log \sum_{p} e^{d_{ap} - m_{pos}} + \log \sum_{n} e^{m_{neg} - d_{an}} \Bigr]_+

    One value an anchor; a sum without pairs is left out. The paper has no margin for positives, which is the default.

    The default distance is the Euclidean distance of normalised embeddings, the default reducer the mean.

    Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017.
    """

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    pos_margin: float = option(0.0, doc="taken off the distances of positives, in units of the distance")
    neg_margin: float = option(1.0, doc="how far negatives are to be, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        pull = log_sum_exp(distances, pairs.positive) - self.pos_margin
        push = log_sum_exp(-distances, pairs.negative) + self.neg_margin
        values = ops.relu(_or_zero(pull, pairs.positive) + _or_zero(push, pairs.negative))
        return {"anchors": Term(values, ops.ones_like(values))}


def _or_zero(values: Tensor, weights: Tensor) -> Tensor:
    """Return the values of rows with weights, and 0 for those without."""
    from keras import ops

    return values * ops.cast(ops.max(weights, axis=1) > 0, values.dtype)
