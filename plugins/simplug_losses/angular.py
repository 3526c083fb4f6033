"""The angular loss."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor
from simplug.api.positives import entries, fold_positives
from simplug_losses.placing import at_once, placed


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
        total = self._sum_over_positives(similarities, among, pairs)
        return {"positive": Term(total / (count + ops.cast(count <= 0, count.dtype)), count)}

    def _sum_over_positives(self, similarities: Tensor, among: Tensor, pairs: Pairs) -> Tensor:
        """Return the sum of the values of each anchor's pairs, (n,).

        Differentiated through the loop over positives, every step of it would be kept: the gradient is worked out
        here, by a second loop.

        Args:
            similarities: (n, m), between anchors and references.
            among: (m, m), between the references.
            pairs: The pairs to learn from.
        """
        from keras import ops

        tangent = math.tan(math.radians(self.alpha)) ** 2
        of_negative, of_positive = 4 * tangent, 2 * (1 + tangent)

        def summed(similarities: Tensor, among: Tensor) -> tuple[Tensor, Callable[..., tuple[Tensor, Tensor]]]:
            # The exponent is a part of (a, n) and a part of (p, n). Each is taken from the largest of its row, which
            # keeps the exponentials within range.
            of_anchors, top_of_anchors = _exponentials(of_negative * similarities)
            of_references, top_of_references = _exponentials(of_negative * among)
            of_anchors = of_anchors * pairs.negative

            def pairs_at(column: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
                parts = ops.expand_dims(of_anchors, 1) * ops.take(of_references, column, axis=0)
                sums = ops.sum(parts, axis=2)
                some = ops.cast(sums > 0, sums.dtype)
                exponent = ops.log(sums + (1 - some)) - of_positive * entries(similarities, column)
                exponent = exponent + top_of_anchors + ops.take(ops.squeeze(top_of_references, axis=1), column)
                return parts, sums + (1 - some), exponent, some * present * entries(pairs.positive, column)

            def forward(column: Tensor, present: Tensor, carry: tuple[Tensor]) -> tuple[Tensor]:
                _, _, exponent, weights = pairs_at(column, present)
                return (carry[0] + ops.sum(weights * ops.softplus(exponent), axis=1),)

            (total,) = fold_positives(
                pairs.positive, forward, (ops.zeros_like(top_of_anchors[:, 0]),), at_once(similarities)
            )

            def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
                rate = ops.expand_dims(arguments[-1] if upstream is None else upstream, 1)
                references, columns = ops.shape(among)[0], ops.shape(similarities)[1]

                def backward(column: Tensor, present: Tensor, carry: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
                    by_similarity, by_among = carry
                    parts, sums, exponent, weights = pairs_at(column, present)
                    slope = rate * weights * ops.sigmoid(exponent)
                    parts = parts * ops.expand_dims(of_negative * slope / sums, 2)
                    by_similarity = (
                        by_similarity + ops.sum(parts, axis=1) - placed(of_positive * slope, column, columns)
                    )
                    flat = ops.reshape(parts, (-1, columns))
                    return by_similarity, by_among + ops.segment_sum(flat, ops.reshape(column, (-1,)), references)

                zeros = ops.zeros_like(similarities), ops.zeros_like(among)
                return fold_positives(pairs.positive, backward, zeros, at_once(similarities))

            return total, gradient

        total: Tensor = ops.custom_gradient(summed)(similarities, among)
        return total


def _exponentials(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the exponentials of (n, m) values over the largest of each row, and that largest value, (n, 1)."""
    from keras import ops

    top = ops.max(values, axis=1, keepdims=True)
    return ops.exp(values - top), top
