"""The centroid triplet loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, InvalidInputError, PairLoss, Pairs, Reducer, Term, component, option
from simplug.api.numerics import Tensor, backend_dtype


@attrs.frozen(kw_only=True)
class CentroidTriplet(PairLoss):
    r"""Asks an anchor to be nearer to the centre of its class than to those of the other classes, by a margin.

    .. math::
        \bigl[ d(a, c_P) - d(a, c_K) + m \bigr]_+ \qquad
        c_P = \frac{1}{|P_a|} \sum_{p \in P_a} p, \qquad c_K = \frac{1}{|K|} \sum_{x \in K} x

    for every anchor a and every other class K among the references, which are the batch itself if there are no
    others. The centre of the own class is the mean of the anchor's positives: the anchor itself is left out, so that
    an anchor without a positive has no value. Centres are means of the embeddings as they are. With graded labels they
    are weighted means, and a reference stands for its neighbourhood instead of a class.

    The values are (n, m): one a reference, weighted by one over the size of its class, so that each class counts
    once. The paper takes one class K; here all of them count. The default distance is the squared Euclidean distance,
    as in the paper; the default reducer averages over the values above 0.

    Wieczorek, Rychalska, Dąbrowski, "On the Unreasonable Effectiveness of Centroids in Image Retrieval", ICONIP 2021.
    """

    distance: Distance = component("distance", default="squared_euclidean", doc="how far two embeddings are apart")
    reducer: Reducer = component("reducer", default="mean_nonzero", doc="how the values become one number")
    margin: float = option(0.3, ge=0, doc="by how much another centre must be farther, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor and reference, which stands for its part of its class."""
        from keras import ops

        members = self._members(batch, backend_dtype(distances))
        size = ops.sum(members, axis=1, keepdims=True)
        count = ops.sum(pairs.positive, axis=1, keepdims=True)
        present = ops.cast(count > 0, count.dtype)
        own = ops.matmul(pairs.positive, batch.references) / (count + (1 - present))
        others = ops.matmul(members, batch.references) / size
        to_own = ops.expand_dims(ops.diagonal(self.distance(batch.embeddings, own)), 1)
        excess = to_own - self.distance(batch.embeddings, others) + self.margin
        return {"classes": Term(ops.relu(excess), pairs.negative * present / ops.transpose(size))}

    def _members(self, batch: Batch, dtype: str) -> Tensor:
        """Return how much each reference belongs to the class of each, (m, m)."""
        from keras import ops

        if batch.own:
            alike = self.relation(batch).positive
        elif batch.ref_labels is not None:
            alike = Pairs.from_labels(batch.ref_labels, None, dtype, self.label_comparison).positive
        else:
            raise InvalidInputError("CentroidTriplet needs labels of the references to know their classes")
        return alike + ops.eye(ops.shape(alike)[0], dtype=dtype)
