"""The smooth average precision."""

from __future__ import annotations

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor
from simplug.api.positives import at_once, entries, fold_positives, placed, with_slope
from simplug_losses.ranking import nearer, places_of, ranked_positives


@attrs.frozen(kw_only=True)
class SmoothAP(PairLoss):
    r"""Raises the average precision of each anchor's ranking, with a sigmoid for each step in rank.

    .. math::
        1 - \frac{1}{|P_a|} \sum_{p \in P_a}
        \frac{1 + \sum_{q \in P_a \setminus p} \sigma((d_{ap} - d_{aq}) / \tau)}
             {1 + \sum_{j \ne p} \sigma((d_{ap} - d_{aj}) / \tau)}

    where the sum below runs over all pairs of the anchor and :math:`\tau` is `temperature`. As in the paper's own
    program, an anchor that is its own reference is one of its positives. Classes may differ in size and stand in any
    order; a weight of a pair counts as 0 or 1. One value an anchor that has a positive. Positives are looked at a few
    at a time, so that memory is that of the distances.

    The default distance is the cosine distance, the default reducer the mean.

    Brown et al., "Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval", ECCV 2020.
    """

    temperature: float = option(0.01, gt=0, doc="the width of a step in rank, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        positive = ranked_positives(pairs, batch)
        ranked = ops.maximum(positive, ops.cast(pairs.negative > 0, positive.dtype))
        places = places_of(distances, ranked, self.temperature)
        columns = ops.shape(places)[1]

        def step(column: Tensor, present: Tensor, carry: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            precision, slope = carry
            before, steepness = nearer(places, entries(places, column))
            # A positive stands half a step before itself; the other half makes its rank count from 1.
            rank = 0.5 + ops.sum(before, axis=2)
            among_positives = 0.5 + ops.sum(before * ops.expand_dims(positive, 1), axis=2)
            precision = precision + ops.sum(present * among_positives / rank, axis=1)

            by_positive = ops.expand_dims(present / rank, 2) * ops.expand_dims(positive, 1)
            by_any = ops.expand_dims(present * among_positives / ops.square(rank), 2)
            # A reference that moves away stands less before the positive: worse if it is a positive itself, and
            # better as it leaves the ranking before this one. The positive's own way adds up to the opposite.
            change = steepness * (by_positive - by_any)
            slope = slope + ops.sum(change, axis=1) - placed(ops.sum(change, axis=2), column, columns)
            return precision, slope

        zeros = ops.zeros_like(places)
        precision, slope = fold_positives(positive, step, (zeros[:, 0], zeros), at_once(distances))
        count = ops.sum(positive, axis=1)
        present = ops.cast(ops.max(pairs.positive, axis=1) > 0, count.dtype)
        share = present / ops.maximum(count, 1)
        values = present - precision * share
        slope = slope * ops.expand_dims(share / self.temperature, 1)
        return {"anchors": Term(with_slope(values, slope, distances), present)}
