"""Sums over all triplets of a batch, without an array over them."""

from __future__ import annotations

import math

import attrs

from simplug.api import Pairs
from simplug.api.numerics import Tensor, backend_dtype
from simplug.api.positives import OF_TRIPLETS, at_once, entries, fold_positives


@attrs.frozen(eq=False)
class TripletSums:
    """Weighted sums over the triplets of each anchor, (n,), or of the whole batch, ().

    Attributes:
        total: The sum of what they cost, with its gradient.
        count: How many triplets there are.
        active: How many of them cost something.
    """

    total: Tensor
    count: Tensor
    active: Tensor


@attrs.frozen(eq=False)
class AllTriplets:
    r"""The triplets of a batch and what each of them costs.

    With :math:`x = d_{ap} - d_{an} + m` it is :math:`[x]_+`, or :math:`\log(1 + e^x)` if `soft`. The weight of a
    triplet is the product of the weights of its two pairs.

    Attributes:
        distances: (n, m), with gradient.
        pairs: The positives and negatives of each anchor; their own band is not looked at.
        margin: In units of the distance.
        soft: See above.
        band: Only triplets with ``low < d_an - d_ap <= high`` are there; None for all.
        among: (m, m) distances between the references, with gradient; with them the nearer of ``d_an`` and ``d_pn``
            takes the place of ``d_an`` in a triplet's cost, though not in the band.
    """

    distances: Tensor
    pairs: Pairs
    margin: float
    soft: bool = False
    band: tuple[float, float] | None = None
    among: Tensor | None = None

    def sums(self) -> TripletSums:
        """Return the sums of each anchor, or with `among`, whose entries belong to many anchors, of the batch."""
        from keras import ops

        fold = _Fold.of(self)
        total, count, active, pulled, pushed, *pushed_among = map(ops.stop_gradient, fold.sums())
        if self.band is None:
            count = ops.sum(fold.positive, axis=1) * ops.sum(fold.negative, axis=1)
        slope = ops.reshape(pulled[:-1], ops.shape(pushed)) - pushed * fold.negative
        moved = ops.sum(slope * self.distances, axis=1)
        if self.among is not None:
            moved = ops.sum(moved) - ops.sum(pushed_among[0] * self.among)
            total, count, active = ops.sum(total), ops.sum(count), ops.sum(active)
        if self.soft:
            return TripletSums(total + (moved - ops.stop_gradient(moved)), count, count)
        # A hinge is linear where it is not 0, so the slopes give the sum as well.
        return TripletSums(moved + self.margin * active, count, active)


def triplets_of_pairs(distances: Tensor, pairs: Pairs) -> Tensor:
    """Return the weight of all triplets in the band of `pairs` that each pair belongs to, (n, m), without gradient."""
    from keras import ops

    positive, negative = pairs.positive, pairs.negative
    if pairs.band is None:
        each = positive * ops.sum(negative, axis=1, keepdims=True) + negative * ops.sum(positive, axis=1, keepdims=True)
        return ops.stop_gradient(each)
    # Under an infinite margin the slope of every hinge is 1, so that the slopes are the numbers of triplets.
    fold = _Fold.of(AllTriplets(distances, pairs, math.inf, band=pairs.band))
    _, _, _, pulled, pushed = fold.sums()
    return ops.stop_gradient(ops.reshape(pulled[:-1], ops.shape(pushed)) + pushed * fold.negative)


@attrs.frozen(eq=False)
class _Fold:
    """The sums as a fold over the positives, without gradient.

    What is carried: the total of soft costs, the triplets in the band, and those that cost something, (n,) each; the
    slopes at the positives, as one row of n * m entries and a last one for what belongs nowhere; the slopes at the
    negatives, (n, m), with the opposite sign and without their weights; and, where there is `among`, the slopes
    there, (m, m), with the opposite sign.
    """

    margin: float
    soft: bool
    band: tuple[float, float] | None
    distances: Tensor
    positive: Tensor
    negative: Tensor
    among: Tensor | None

    @classmethod
    def of(cls, triplets: AllTriplets) -> _Fold:
        from keras import ops

        return cls(
            triplets.margin,
            triplets.soft,
            triplets.band,
            ops.stop_gradient(triplets.distances),
            ops.stop_gradient(triplets.pairs.positive),
            ops.stop_gradient(triplets.pairs.negative),
            None if triplets.among is None else ops.stop_gradient(triplets.among),
        )

    def sums(self) -> tuple[Tensor, ...]:
        """Return what is carried to the end."""
        from keras import ops

        zeros = ops.zeros_like(self.distances)
        n, m = ops.shape(zeros)
        start = (*3 * [zeros[:, 0]], ops.zeros((n * m + 1,), backend_dtype(zeros)), zeros)
        start = start if self.among is None else (*start, ops.zeros_like(self.among))
        return fold_positives(self.positive, self._step, start, at_once(self.distances, OF_TRIPLETS))

    def _step(self, column: Tensor, present: Tensor, carry: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        from keras import ops

        total, count, active, pulled, pushed, *pushed_among = carry
        weight = entries(self.positive, column) * present
        d_ap, d_an = ops.expand_dims(entries(self.distances, column), 2), ops.expand_dims(self.distances, 1)
        inside = None if self.band is None else _within(d_an - d_ap, self.band)
        if self.among is not None:
            d_an = ops.minimum(d_an, ops.take(self.among, column, axis=0))
        slope = self._slope(d_ap, d_an, inside)
        if self.soft:
            total = total + self._over_triplets(weight, self._soft_cost(d_ap, d_an, inside))
        if inside is not None:
            count = count + self._over_triplets(weight, ops.cast(inside, slope.dtype))
        pull = weight * self._over_negatives(slope)
        if self.among is not None:
            swapped = slope * ops.cast(d_an < ops.expand_dims(self.distances, 1), slope.dtype)
            slope = slope - swapped
            pushed_among = [pushed_among[0] + self._by_positive(swapped, weight, column)]
        return (
            total,
            count,
            active + ops.sum(pull, axis=1),
            self._written(pulled, pull, column, present),
            pushed + ops.squeeze(ops.matmul(ops.expand_dims(weight, 1), slope), 1),
            *pushed_among,
        )

    def _slope(self, d_ap: Tensor, d_an: Tensor, inside: Tensor | None) -> Tensor:
        """Return how fast the cost of each triplet grows, (n, width, m)."""
        from keras import ops

        dtype = backend_dtype(d_an)
        if self.soft:
            slope = ops.sigmoid(d_ap + self.margin - d_an)
            return slope if inside is None else slope * ops.cast(inside, dtype)
        violated = d_an < d_ap + self.margin
        return ops.cast(violated if inside is None else violated & inside, dtype)

    def _soft_cost(self, d_ap: Tensor, d_an: Tensor, inside: Tensor | None) -> Tensor:
        from keras import ops

        cost = ops.softplus(d_ap + self.margin - d_an)
        return cost if inside is None else cost * ops.cast(inside, backend_dtype(cost))

    def _over_negatives(self, values: Tensor) -> Tensor:
        """Return the weighted sums of (n, width, m) over the negatives, (n, width)."""
        from keras import ops

        return ops.squeeze(ops.matmul(values, ops.expand_dims(self.negative, 2)), 2)

    def _over_triplets(self, weight: Tensor, values: Tensor) -> Tensor:
        from keras import ops

        return ops.sum(weight * self._over_negatives(values), axis=1)

    def _written(self, pulled: Tensor, pull: Tensor, column: Tensor, present: Tensor) -> Tensor:
        """Return the slopes at the positives with those of the present ones set."""
        from keras import ops

        n, m = ops.shape(self.distances)
        place = ops.where(present > 0, column + ops.expand_dims(m * ops.arange(n, dtype="int32"), 1), n * m)
        return ops.scatter_update(pulled, ops.reshape(place, (-1, 1)), ops.reshape(pull, (-1,)))

    def _by_positive(self, swapped: Tensor, weight: Tensor, column: Tensor) -> Tensor:
        """Return the sums of (n, width, m), weighted, of the triplets that have their positive in common, (m, m)."""
        from keras import ops

        m = ops.shape(self.distances)[1]
        weighted = swapped * ops.expand_dims(weight, 2) * ops.expand_dims(self.negative, 1)
        return ops.segment_sum(ops.reshape(weighted, (-1, m)), ops.reshape(column, (-1,)), num_segments=m)


def _within(gap: Tensor, band: tuple[float, float]) -> Tensor:
    low, high = band
    if math.isinf(low):
        return gap <= high
    return gap > low if math.isinf(high) else (gap > low) & (gap <= high)
