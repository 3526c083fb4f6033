"""The multi-class N-pair loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term
from simplug.api.numerics import Tensor
from simplug_losses.diagonal_softmax import diagonal_surprise
from simplug_losses.one_triplet import FAR


@attrs.frozen(kw_only=True)
class NPairs(PairLoss):
    r"""Asks the anchor of each class to prefer its positive to the positives of all other classes.

    One pair of each class takes part: its first anchor with a positive, and the first of these. With the similarity
    :math:`s = 1 - d`, for each of these pairs :math:`(a_c, p_c)`

    .. math::
        -\log \frac{e^{s(a_c, p_c)}}{\sum_{c'} e^{s(a_c, p_{c'})}}

    The default distance is the cosine distance. The paper has inner products of embeddings that are not normalised and
    keeps their norms small by a penalty: ``distance = "inner_product"`` with the regularizer ``lp``. One value a class
    with a pair; the default reducer averages.

    Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", NIPS 2016.
    """

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor; those that take no part have weight 0.

        Only a miner looks at the distances of all pairs. Those of the few that take part are worked out anew, which
        costs less than the gradient through the rest.
        """
        from keras import ops

        count = ops.shape(batch.embeddings)[0]
        plain = batch.own and batch.pairs is None and self.miner is None and self.label_comparison == "equal"
        chosen = first_pairs_of_labels(batch.labels) if plain else first_pairs(pairs.positive, own=batch.own)
        anchors, positives, present = chosen
        present = ops.cast(present, distances.dtype)
        # Of the positives that are not there, each is too far to count.
        between = (1 - present) * FAR + self.distance(
            ops.take(batch.embeddings, anchors, axis=0), ops.take(batch.references, positives, axis=0)
        )
        values = diagonal_surprise(between, -1)
        # Back to one row an anchor: what a reducer takes the labels of the anchors to belong to.
        return {
            "anchors": Term(
                ops.segment_sum(values * present, anchors, num_segments=count),
                ops.segment_sum(present, anchors, num_segments=count),
            )
        }


def first_pairs_of_labels(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first two examples of each class, as (k,) anchors, (k,) positives and (k,) present.

    A class with a pair has two examples, so that k is half the length of the batch, rounded up.

    Args:
        labels: (n,) integers.

    Returns:
        Rows of anchors, those present each once; rows of their positives; and which of these pairs there are.
    """
    from keras import ops

    order, ordered, count = ops.argsort(labels), ops.sort(labels), ops.shape(labels)[0]
    no = ops.zeros_like(ordered[:1], dtype="bool")
    followed = ops.concatenate([ops.equal(ordered[1:], ordered[:-1]), no])
    first = followed & ops.logical_not(ops.concatenate([no, followed[:-1]]))
    # Two pairs begin at least two places apart, so that half of the places are enough for all.
    present, place = ops.top_k(ops.cast(first, "int32"), (count + 1) // 2)
    return ops.take(order, place), ops.take(order, ops.minimum(place + 1, count - 1)), present > 0


def first_pairs(positive: Tensor, *, own: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first pair of each class, as (n,) anchors, (n,) positives and (n,) present.

    Anchors are of one class when they have the same first positive; among an anchor and its references of the same
    batch, when the earlier of the two is the same.

    Args:
        positive: (n, m) weights.
        own: The anchors are their own references.

    Returns:
        As :func:`first_pairs_of_labels`.
    """
    from keras import ops

    n, m = ops.shape(positive)[0], ops.shape(positive)[1]
    kept = ops.cast(positive > 0, positive.dtype)
    partner = ops.cast(ops.argmax(kept, axis=1), "int32")
    rows = ops.arange(n, dtype="int32")
    group = ops.minimum(partner, rows) if own else partner
    # The first of a group is the one with the greatest countdown.
    countdown = ops.where(ops.max(kept, axis=1) > 0, n - rows, 0)
    greatest = ops.segment_max(countdown, group, num_segments=m)
    return rows, partner, (countdown > 0) & ops.equal(ops.take(greatest, group), countdown)
