"""The N-pairs loss of TensorFlow Addons."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component
from simplug.api.numerics import Tensor, backend_dtype, log_sum_exp


@attrs.frozen(kw_only=True)
class TfaNPairs(PairLoss):
    r"""TensorFlow Addons' N-pairs loss: each row of similarities is a softmax over the references.

    With the similarity :math:`s = 1 - d` (the inner product, under the default distance) and :math:`y_{ij}` 1 where
    the labels are equal,

    .. math:: -\sum_j \frac{y_{ij}}{\sum_k y_{ik}} \log \frac{e^{s_{ij}}}{\sum_k e^{s_{ik}}}

    Addons takes the labels and the matrix of similarities of two sets of embeddings whose rows belong together; that
    is this loss with the second set as references. A batch that is its own reference is compared with itself, and
    there an example is alike to itself as well. One value an anchor, which the default reducer averages over; anchors
    to which no reference is alike are left out.

    Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", NIPS 2016.
    """

    distance: Distance = component("distance", default="inner_product", doc="how far two embeddings are apart")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        dtype = backend_dtype(distances)
        alike = pairs.positive
        if batch.own:
            alike = alike + ops.eye(ops.shape(alike)[0], dtype=dtype)
        similar = 1 - distances
        kept = ops.cast(alike + pairs.negative > 0, dtype)
        count = ops.sum(alike, axis=1)
        present = ops.cast(count > 0, dtype)
        nearness = ops.sum(alike * similar, axis=1) / (count + (1 - present))
        return {"anchors": Term((log_sum_exp(similar, kept) - nearness) * present, present)}
