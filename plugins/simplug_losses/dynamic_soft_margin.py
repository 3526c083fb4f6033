"""The triplet loss whose margin follows the distribution of the triplets."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, Weight, component, option
from simplug.api.numerics import Tensor
from simplug.api.positives import at_once, entries, fold_positives, placed, with_slope
from simplug_losses.soft_histogram import SoftBins


@attrs.frozen(kw_only=True)
class DynamicSoftMargin(PairLoss):
    r"""Weighs each triplet by the share of triplets that are easier, so that no margin needs to be chosen.

    .. math::
        \operatorname{mean}_{a, p, n} F(x) \, x, \qquad x = d_{ap} - d_{an}

    over all triplets, where F is the cumulative distribution of x: a soft histogram of the triplets seen so far,
    moved a little with each step of training (the first step sets it). F has no gradient. The loss is negative when
    most negatives are farther than the positives. The paper compares each positive with the hardest negative of the
    batch, which the miner ``batch_hard`` chooses. Triplets are looked at a positive at a time: memory is that of the
    distances.

    The default distance is the Euclidean distance of normalised embeddings, between 0 and 2, so that x lies between
    -2 and 2. The default reducer is the mean.

    Zhang, Rusinkiewicz, "Learning Local Descriptors With a CDF-Based Dynamic Soft Margin", ICCV 2019.
    """

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    min_val: float = option(
        -2.0, lt=0, doc="the first edge of the histogram, in units of the distance; the last is its negative"
    )
    num_bins: int = option(10, ge=1, doc="the number of bins between the two")
    momentum: float = option(0.01, gt=0, le=1, doc="how far a step moves the histogram to that of its batch")

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the histogram, (num_bins + 1,), one value an edge, with the sum 1; all 0 before the first step."""
        return {"histogram": Weight((self.num_bins + 1,), "zeros", trainable=False)}

    def next_state(self, batch: Batch) -> dict[str, Tensor]:
        """Return the histogram moved to that of the batch; unchanged for a batch without triplets."""
        from keras import ops

        kept = batch.state["histogram"]
        distances, pairs = self.mined(batch)
        counts = ops.cast(self._histogram(ops.stop_gradient(distances), pairs), kept.dtype)
        present = ops.cast(ops.sum(counts) > 0, kept.dtype)
        first = ops.cast(ops.sum(kept) <= 0, kept.dtype)
        rate = present * ops.maximum(first, self.momentum)
        return {"histogram": (1 - rate) * kept + rate * _unit_sum(counts)}

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor, the mean over its triplets, which its weight stands for."""
        from keras import ops

        held, columns = ops.stop_gradient(distances), ops.shape(distances)[1]
        histogram = ops.cast(batch.state["histogram"], distances.dtype)
        # Before the first step of training a batch is judged by its own triplets.
        histogram = ops.cond(ops.sum(histogram) > 0, lambda: histogram, lambda: _unit_sum(self._histogram(held, pairs)))
        easier = ops.cumsum(histogram)
        steps = self.num_bins / (-2 * self.min_val)

        def step(column: Tensor, present: Tensor, carry: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            total, count, slope = carry
            lead, weights = _triplets(held, pairs, column, present)
            edge = ops.cast(ops.clip((lead - self.min_val) * steps, 0, self.num_bins), "int32")
            pull = weights * ops.take(easier, edge)
            total = total + ops.sum(pull * lead, axis=(1, 2))
            slope = slope + placed(ops.sum(pull, axis=2), column, columns) - ops.sum(pull, axis=1)
            return total, count + ops.sum(weights, axis=(1, 2)), slope

        zeros = ops.zeros_like(held)
        total, count, slope = fold_positives(
            pairs.positive, step, (zeros[:, 0], zeros[:, 0], zeros), at_once(distances)
        )
        share = 1 / (count + ops.cast(count <= 0, count.dtype))
        values = with_slope(total * share, slope * ops.expand_dims(share, 1), distances)
        return {"triplets": Term(values, count)}

    def _histogram(self, distances: Tensor, pairs: Pairs) -> Tensor:
        """Return the weight of the triplets at each edge, (num_bins + 1,); no gradient flows through it."""
        from keras import ops

        def step(column: Tensor, present: Tensor, carry: tuple[Tensor]) -> tuple[Tensor]:
            lead, weights = _triplets(distances, pairs, column, present)
            places = SoftBins.of(lead, self.min_val, -self.min_val, self.num_bins)
            return (carry[0] + ops.sum(places.histogram(weights, anchor, anchors), axis=0),)

        # Each anchor's triplets are counted by themselves: a sum of millions of them leaves single precision behind.
        anchors = ops.shape(distances)[0]
        anchor = ops.reshape(ops.arange(anchors, dtype="int32"), (-1, 1, 1))
        start = ops.zeros((self.num_bins + 1,), dtype=distances.dtype)
        (counts,) = fold_positives(pairs.positive, step, (start,), at_once(distances))
        return counts


def _triplets(distances: Tensor, pairs: Pairs, column: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``d_ap - d_an`` of the triplets of some positives, and how much each counts, (n, width, m)."""
    from keras import ops

    lead = ops.expand_dims(entries(distances, column), 2) - ops.expand_dims(distances, 1)
    weights = ops.expand_dims(present * entries(pairs.positive, column), 2) * ops.expand_dims(pairs.negative, 1)
    if pairs.band is not None:
        low, high = pairs.band
        weights = weights * ops.cast((lead < -low) & (lead >= -high), weights.dtype)
    return lead, weights


def _unit_sum(counts: Tensor) -> Tensor:
    from keras import ops

    total = ops.sum(counts)
    return counts / (total + ops.cast(total <= 0, total.dtype))
