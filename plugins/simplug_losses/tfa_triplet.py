"""The two triplet losses of TensorFlow Addons."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor, backend_dtype
from simplug.api.positives import entries, fold_positives
from simplug_losses.one_triplet import FAR, farthest, one_triplet


@attrs.frozen(kw_only=True)
class TfaTripletSemihard(PairLoss):
    r"""TensorFlow Addons' triplet loss with one semi-hard negative for each positive pair.

    .. math::
        [d_{ap} - d_{an} + m]_+, \qquad
        d_{an} = \min \{d_{an'} : d_{an'} > d_{ap}\} \text{, or } \max_{n'} d_{an'} \text{ where there is none}

    An anchor is one element for the reducer and stands for all its positive pairs, which the default reducer averages
    over. Anchors without a negative are left out (in TensorFlow Addons they have a cost). The default distance is
    Euclidean, Addons' ``L2``; its ``squared-L2`` is ``squared_euclidean``, its ``angular`` is ``cosine``. Embeddings
    should be normalised.

    Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015.
    """

    distance: Distance = component("distance", default="euclidean", doc="how far two embeddings are apart")
    margin: float = option(1.0, ge=0, doc="by how much a negative must be farther, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return the mean over the positive pairs of each anchor."""
        from keras import ops

        held, dtype = ops.stop_gradient(distances), backend_dtype(distances)
        n, m = ops.shape(held)
        last = farthest(held, pairs.negative)
        some = entries(pairs.negative, last)
        beyond = ops.where(pairs.negative > 0, held, FAR)
        rows = ops.expand_dims(m * ops.arange(n, dtype="int32"), 1)

        def step(column: Tensor, present: Tensor, carry: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            active, slope = carry
            d_ap = entries(held, column)
            farther = ops.where(beyond > d_ap, beyond, FAR)
            closest = ops.expand_dims(ops.cast(ops.argmin(farther, axis=1), "int32"), 1)
            other = ops.where(entries(farther, closest) < FAR, closest, last)
            costs = ops.cast(d_ap - entries(held, other) + self.margin > 0, dtype)
            pull = entries(pairs.positive, column) * present * some * costs
            places = ops.concatenate([column + rows, other + rows], axis=1)
            changes = ops.segment_sum(
                ops.reshape(ops.concatenate([pull, -pull], axis=1), (-1,)), ops.reshape(places, (-1,)), n * m
            )
            return active + ops.sum(pull, axis=1), slope + ops.reshape(changes, (n, m))

        start = ops.zeros_like(held[:, 0]), ops.zeros_like(held)
        active, slope = map(ops.stop_gradient, fold_positives(pairs.positive, step, start))
        count = ops.sum(pairs.positive, axis=1) * ops.squeeze(some, 1)
        total = ops.sum(slope * distances, axis=1) + self.margin * active
        return {"pairs": Term(total / ops.where(count > 0, count, ops.ones_like(count)), count, active=active)}


@attrs.frozen(kw_only=True)
class TfaTripletHard(PairLoss):
    r"""TensorFlow Addons' triplet loss with the hardest positive and the hardest negative of each anchor.

    .. math::
        \bigl[\max_p d_{ap} - \min_n d_{an} + m\bigr]_+ \quad\text{or, with soft,}\quad
        \log\bigl(1 + e^{\max_p d_{ap} - \min_n d_{an}}\bigr)

    The soft form has no margin. One value an anchor, which the default reducer averages over; anchors without a
    positive or a negative are left out (in TensorFlow Addons they have a cost). The default distance is Euclidean,
    Addons' ``L2``; its ``squared-L2`` is ``squared_euclidean``, its ``angular`` is ``cosine``. Embeddings should be
    normalised.

    Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017, arXiv 1703.07737.
    """

    distance: Distance = component("distance", default="euclidean", doc="how far two embeddings are apart")
    margin: float = option(1.0, doc="by how much the negative must be farther, in units of the distance; not if soft")
    soft: bool = option(False, doc="a smooth cost without margin instead of the hinge")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        triplet = one_triplet(distances, pairs, "hard", "hard")
        gap = ops.squeeze(entries(distances, triplet.positive) - entries(distances, triplet.negative), 1)
        return {"anchors": Term(ops.softplus(gap) if self.soft else ops.relu(gap + self.margin), triplet.weight)}
