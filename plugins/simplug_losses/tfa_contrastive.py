"""The contrastive loss of TensorFlow Addons."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor


@attrs.frozen(kw_only=True)
class TfaContrastive(PairLoss):
    r"""TensorFlow Addons' contrastive loss: squared distances, in one mean.

    .. math::
        d_{ap}^2 \qquad\text{and}\qquad [m - d_{an}]_+^2

    Addons takes a list of distances, each with a 1 for a positive or a 0 for a negative pair; here the same formula
    is applied to all pairs of the batch, one value a pair. The default reducer averages over them, positive and
    negative together. The default distance is Euclidean.

    Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.
    """

    distance: Distance = component("distance", default="euclidean", doc="how far two embeddings are apart")
    margin: float = option(1.0, doc="negative pairs farther than this cost nothing, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a pair."""
        from keras import ops

        costs = ops.where(pairs.positive > 0, distances, ops.relu(self.margin - distances))
        return {"pairs": Term(ops.square(costs), pairs.positive + pairs.negative)}
