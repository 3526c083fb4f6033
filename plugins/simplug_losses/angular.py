"""The angular loss."""

from __future__ import annotations

import math

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor, with_gradient
from simplug.api.positives import at_once, entries, fold_positives, placed


@attrs.frozen(kw_only=True)
class Angular(PairLoss):
    r"""Bounds the angle at the negative of each triangle of anchor, positive and negative.

    .. math::
        \log\Bigl( 1 + \sum_{n} \exp\bigl( 4 \tan^2\!\alpha \, (a + p) \cdot n
        - 2 (1 + \tan^2\!\alpha) \, a \cdot p \bigr) \Bigr)

    with a, p and n normalised: their products are the similarities :math:`1 - d` under the default distance. The
    negatives are those of the anchor. One value an anchor, the mean over its positives, which its weight stands for; 0
    for an anchor without negatives. Positives are looked at a few at a time, so that memory is that of the distances.

    The default distance is the cosine distance, the default reducer the mean.

    Wang et al., "Deep Metric Learning with Angular Loss", ICCV 2017.
    """

    alpha: float = option(
        40.0, gt=0, le=65, doc="the largest angle that costs little, in degrees; exponentials allow no more than 65"
    )

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor, the mean over its positives, which its weight stands for."""
        from keras import ops

        similarities = 1 - distances
        among = similarities if batch.own else 1 - self.distance(batch.references, batch.references)
        count = ops.sum(pairs.positive, axis=1)
        tangent = math.tan(math.radians(self.alpha)) ** 2
        fold = _Fold.of(similarities, among, pairs, 4 * tangent, 2 * (1 + tangent))
        # Differentiated through the loop over positives, every step of it would be kept: a second loop is the gradient.
        total = with_gradient(fold.total(), (similarities, among), fold.gradient)
        return {"positive": Term(total / (count + ops.cast(count <= 0, count.dtype)), count)}


@attrs.frozen(eq=False)
class _Fold:
    """The values of each anchor's pairs as a fold over the positives, and their gradient as another; both without one.

    The exponent of a triplet is a part of (a, n) and a part of (p, n). Each is taken from the largest of its row, which
    keeps the exponentials within range.

    Attributes:
        similarities: (n, m), between anchors and references.
        positive: (n, m), the weights of the positives.
        of_negative: What the similarities of a negative to anchor and positive are multiplied by.
        of_positive: What the similarity of anchor and positive is multiplied by.
        of_anchors: (n, m), the exponentials of (a, n); 0 for what is no negative.
        top_of_anchors: (n, 1), what was taken off their exponents.
        of_references: (m, m), the exponentials of (p, n).
        top_of_references: (m, 1), what was taken off theirs.
    """

    similarities: Tensor
    positive: Tensor
    of_negative: float
    of_positive: float
    of_anchors: Tensor
    top_of_anchors: Tensor
    of_references: Tensor
    top_of_references: Tensor

    @classmethod
    def of(cls, similarities: Tensor, among: Tensor, pairs: Pairs, of_negative: float, of_positive: float) -> _Fold:
        from keras import ops

        similarities, among = ops.stop_gradient(similarities), ops.stop_gradient(among)
        of_anchors, top_of_anchors = _exponentials(of_negative * similarities)
        return cls(
            similarities,
            pairs.positive,
            of_negative,
            of_positive,
            of_anchors * pairs.negative,
            top_of_anchors,
            *_exponentials(of_negative * among),
        )

    def total(self) -> Tensor:
        """Return the sum of the values of each anchor's pairs, (n,)."""
        from keras import ops

        def step(column: Tensor, present: Tensor, carry: tuple[Tensor]) -> tuple[Tensor]:
            _, _, exponent, weights = self._pairs_at(column, present)
            return (carry[0] + ops.sum(weights * ops.softplus(exponent), axis=1),)

        start = (ops.zeros_like(self.top_of_anchors[:, 0]),)
        return fold_positives(self.positive, step, start, at_once(self.similarities))[0]

    def gradient(self, upstream: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient by the similarities, (n, m), and by those between the references, (m, m)."""
        from keras import ops

        rate = ops.expand_dims(upstream, 1)
        references, columns = ops.shape(self.of_references)[0], ops.shape(self.similarities)[1]

        def step(column: Tensor, present: Tensor, carry: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            by_similarity, by_among = carry
            parts, sums, exponent, weights = self._pairs_at(column, present)
            slope = rate * weights * ops.sigmoid(exponent)
            parts = parts * ops.expand_dims(self.of_negative * slope / sums, 2)
            by_similarity = by_similarity + ops.sum(parts, axis=1) - placed(self.of_positive * slope, column, columns)
            flat = ops.reshape(parts, (-1, columns))
            return by_similarity, by_among + ops.segment_sum(flat, ops.reshape(column, (-1,)), references)

        start = ops.zeros_like(self.similarities), ops.zeros_like(self.of_references)
        return fold_positives(self.positive, step, start, at_once(self.similarities))

    def _pairs_at(self, column: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the parts of each pair's sum over its negatives, (n, width, m), the sum, its exponent and weight."""
        from keras import ops

        parts = ops.expand_dims(self.of_anchors, 1) * ops.take(self.of_references, column, axis=0)
        sums = ops.sum(parts, axis=2)
        some = ops.cast(sums > 0, sums.dtype)
        exponent = ops.log(sums + (1 - some)) - self.of_positive * entries(self.similarities, column)
        exponent = exponent + self.top_of_anchors + ops.take(ops.squeeze(self.top_of_references, axis=1), column)
        return parts, sums + (1 - some), exponent, some * present * entries(self.positive, column)


def _exponentials(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the exponentials of (n, m) values over the largest of each row, and that largest value, (n, 1)."""
    from keras import ops

    top = ops.max(values, axis=1, keepdims=True)
    return ops.exp(values - top), top
