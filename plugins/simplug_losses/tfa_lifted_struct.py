"""The lifted structure loss of TensorFlow Addons."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor

_FAR = 1e30


@attrs.frozen(kw_only=True)
class TfaLiftedStruct(PairLoss):
    r"""TensorFlow Addons' lifted structure loss: every positive pair against the negatives of both its ends.

    .. math::
        \frac{1}{2} \Bigl[ d_{ij} + \log \Bigl( \sum_{k \in N_i} e^{m - d_{ik}} + \sum_{l \in N_j} e^{m - d_{lj}} \Bigr)
        \Bigr]_+^2

    for every positive pair (i, j). With references, :math:`N_j` are the anchors that the reference j is a negative of.
    One value a positive pair, which the default reducer averages over; a pair without any negative costs nothing. The
    default distance is Euclidean; Addons recommends embeddings that are not normalised.

    Oh Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016.
    """

    distance: Distance = component("distance", default="euclidean", doc="how far two embeddings are apart")
    margin: float = option(1.0, doc="how far negatives should be, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair."""
        from keras import ops

        nearness = ops.where(pairs.negative > 0, self.margin - distances, -_FAR)
        of_anchor = ops.logsumexp(nearness, axis=1, keepdims=True)
        of_reference = ops.logsumexp(nearness, axis=0, keepdims=True)
        excess = ops.logaddexp(of_anchor, of_reference) + distances
        values = 0.5 * ops.square(ops.relu(excess))
        return {"pairs": Term(values, pairs.positive)}
