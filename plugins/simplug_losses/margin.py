"""The margin loss, with a boundary between positives and negatives that can be learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, Distance, InvalidInputError, PairLoss, Pairs, Reducer, Term, Weight, component, option
from simplug.api.numerics import Tensor, backend_dtype
from simplug_losses.all_triplets import triplets_of_pairs


@attrs.frozen(kw_only=True)
class Margin(PairLoss):
    r"""Draws positives inside a boundary and drives negatives outside it, both by a margin.

    .. math:: [d_{ap} - \beta + m]_+ + [\beta - d_{an} + m]_+

    for every triplet, which the default reducer ``divisor`` sums and divides by the number of terms above 0. With
    `learn_beta` the boundary is learned, one for all or, with `num_classes`, one for the class of each anchor, and
    :math:`\nu \beta` is added; ``state["beta"]`` has shape (1,) or (num_classes,).

    An anchor is one element for the reducer and stands for all its triplets; the loss is worked out from pairs, each
    of which counts as often as there are triplets with it. The default distance is Euclidean, between normalised
    embeddings. The paper draws negatives by their distance: that is the miner ``distance_weighted``.

    Wu, Manmatha, Smola, Krähenbühl, "Sampling Matters in Deep Embedding Learning", ICCV 2017.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"margin": 0.088, "beta": 0.78},
        "cars": {"margin": 0.078, "beta": 1.32},
        "sop": {"margin": 0.092, "beta": 1.11},
    }

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    reducer: Reducer = component("reducer", default="divisor", doc="how the values become one number")
    margin: float = option(0.2, doc="how far a pair must keep from the boundary, in units of the distance")
    beta: float = option(1.2, doc="the boundary, or where it starts when it is learned, in units of the distance")
    learn_beta: bool = option(False, doc="let the optimizer move the boundary")
    nu: float = option(0.0, ge=0, doc="the weight of a learned boundary in the loss, which keeps it small")
    num_classes: int | None = option(
        None, ge=1, doc="learn one boundary a class; labels go from 0 to one less; none: one boundary for all"
    )

    def __attrs_post_init__(self) -> None:
        if self.num_classes is not None and not self.learn_beta:
            raise ValueError("num_classes asks for a boundary a class, which only learn_beta tells apart")
        if self.num_classes is not None and self.label_rank != 1:
            raise ValueError("num_classes asks for a boundary a class, and rows of labels name more than one class")

    @property
    def label_limit(self) -> int | None:
        """The number of classes, if each has a boundary."""
        return self.num_classes

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the boundaries, if they are learned."""
        if not self.learn_beta:
            return {}
        return {"beta": Weight((self.num_classes or 1,), {"class_name": "Constant", "config": {"value": self.beta}})}

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return the mean over the triplets of each anchor and, where it counts, that of its boundary."""
        from keras import ops

        beta = self._boundary(distances, batch)
        held = ops.stop_gradient(distances)
        side = ops.sign(pairs.positive) - ops.sign(pairs.negative)
        costs = ops.relu(side * (distances - beta) + self.margin)
        free = ops.cast(costs <= 0, backend_dtype(distances))
        belonging = triplets_of_pairs(held, pairs)
        count = ops.sum(belonging * ops.sign(pairs.positive), axis=1)
        # Half, as a triplet is counted by each of its two pairs.
        without_cost = Pairs(pairs.positive * free, pairs.negative * free, pairs.band)
        active = count - 0.5 * ops.sum(triplets_of_pairs(held, without_cost), axis=1)
        divisor = ops.sum(belonging * (1 - free))
        values = ops.sum(belonging * costs, axis=1) / ops.where(count > 0, count, ops.ones_like(count))
        terms = {"triplets": Term(values, count, active=active, divisor=divisor)}
        if self.learn_beta and self.nu > 0:
            terms["beta"] = self._penalty(beta, count, divisor)
        return terms

    def _boundary(self, distances: Tensor, batch: Batch) -> Tensor:
        """Return the boundary of each anchor, (n, 1), or the one of all, (1, 1)."""
        from keras import ops

        dtype = backend_dtype(distances)
        if not self.learn_beta:
            return ops.full((1, 1), self.beta, dtype)
        beta = ops.cast(batch.state["beta"], dtype)
        if self.num_classes is not None:
            if batch.labels is None:
                raise InvalidInputError("Margin.num_classes asks for a boundary a class, and pairs came without labels")
            beta = ops.take(beta, batch.labels, axis=0)
        return ops.expand_dims(beta, 1)

    def _penalty(self, beta: Tensor, count: Tensor, divisor: Tensor) -> Term:
        """Return what the boundary costs: once for the batch, or for every triplet where each class has its own."""
        from keras import ops

        beta = ops.squeeze(beta, 1)
        if self.num_classes is None:
            return Term(self.nu * beta[0], ops.cast(ops.sum(count) > 0, count.dtype))
        return Term(self.nu * beta, count, divisor=divisor)
