"""The loss of penalising negatives before positives."""

from __future__ import annotations

from typing import Literal

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor
from simplug.api.positives import at_once, entries, fold_positives, placed, with_slope
from simplug_losses.ranking import nearer, places_of, ranked_positives


@attrs.frozen(kw_only=True)
class PNP(PairLoss):
    r"""Penalises the negatives that stand before each positive in the anchor's ranking.

    .. math::
        \frac{1}{|P_a|} \sum_{p \in P_a} f(R_{ap}), \qquad
        R_{ap} = \sum_{n} \sigma((d_{ap} - d_{an}) / \tau)

    where :math:`\tau` is `temperature` and f is the variant:

    ====  ==========================================  =====================================================
    O     :math:`R`                                   every negative before a positive counts the same
    Ds    :math:`\log(1 + R)`                         the more there are, the less one more counts
    Dq    :math:`1 - (1 + R)^{-\alpha}`               likewise, more sharply; the best in the paper, the default
    Iu    :math:`(1 + R) \log(1 + R)`                 the more there are, the more one more counts
    Ib    :math:`(b R - \log(1 + b R)) / b^2`         likewise, up to a bound
    ====  ==========================================  =====================================================

    As in the paper's own program, an anchor that is its own reference is one of its positives. A weight of a pair
    counts as 0 or 1. One value an anchor that has another positive. Positives are looked at a few at a time, so that
    memory is that of the distances.

    The default distance is the cosine distance, the default reducer the mean.

    Li et al., "Rethinking the Optimization of Average Precision: Only Penalizing Negative Instances before Positive
    Ones is Enough", AAAI 2022.
    """

    variant: Literal["O", "Ds", "Dq", "Iu", "Ib"] = option(
        "Dq", choices=("O", "Ds", "Dq", "Iu", "Ib"), doc="how the negatives before a positive are penalised"
    )
    alpha: float = option(8.0, gt=0, doc="how soon the variant Dq is satisfied with its worst")
    b: float = option(2.0, gt=0, doc="how soon the variant Ib reaches its bound")
    temperature: float = option(0.01, gt=0, doc="the width of a step in rank, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        positive = ranked_positives(pairs, batch)
        negative = ops.cast(pairs.negative > 0, positive.dtype)
        places = places_of(distances, ops.ones_like(negative), self.temperature)
        negatives = places_of(distances, negative, self.temperature)
        columns = ops.shape(places)[1]

        def step(column: Tensor, present: Tensor, carry: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            penalties, slope = carry
            before, steepness = nearer(negatives, entries(places, column))
            penalty, rise = self._penalty(ops.sum(before, axis=2))
            change = steepness * ops.expand_dims(present * rise, 2)
            slope = slope + placed(ops.sum(change, axis=2), column, columns) - ops.sum(change, axis=1)
            return penalties + ops.sum(present * penalty, axis=1), slope

        zeros = ops.zeros_like(places)
        penalties, slope = fold_positives(positive, step, (zeros[:, 0], zeros), at_once(distances))
        present = ops.cast(ops.max(pairs.positive, axis=1) > 0, penalties.dtype)
        share = present / ops.maximum(ops.sum(positive, axis=1), 1)
        slope = slope * ops.expand_dims(share / self.temperature, 1)
        return {"anchors": Term(with_slope(penalties * share, slope, distances), present)}

    def _penalty(self, before: Tensor) -> tuple[Tensor, Tensor]:
        """Return the penalty for a number of negatives before a positive, and its derivative."""
        from keras import ops

        if self.variant == "O":
            return before, ops.ones_like(before)
        if self.variant == "Ds":
            return ops.log1p(before), 1 / (1 + before)
        if self.variant == "Dq":
            rest = (1 + before) ** -self.alpha
            return 1 - rest, self.alpha * rest / (1 + before)
        if self.variant == "Iu":
            logarithm = ops.log1p(before)
            return (1 + before) * logarithm, 1 + logarithm
        grown = self.b * before
        return (grown - ops.log1p(grown)) / self.b**2, before / (1 + grown)
