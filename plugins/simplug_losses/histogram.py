"""The histogram loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor
from simplug_losses.soft_histogram import SoftBins


@attrs.frozen(kw_only=True)
class Histogram(PairLoss):
    r"""Lowers the probability that a negative pair is more similar than a positive pair.

    .. math::
        \sum_{k=0}^{K} p^-_k \sum_{r=0}^{k} p^+_r

    where :math:`p^+` and :math:`p^-` are soft histograms of the similarities :math:`s = 1 - d` of all positive and of
    all negative pairs, each with the sum 1. The edges are equally spaced from -1 to 1, and a similarity counts in part
    at each of the two around it. One value a batch; 0 when it lacks one kind of pair.

    The default distance is the cosine distance.

    Ustinova, Lempitsky, "Learning Deep Embeddings with Histogram Loss", NIPS 2016.
    """

    num_bins: int = option(100, ge=1, doc="the number of bins between the similarities -1 and 1")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value for the whole batch."""
        from keras import ops

        places = SoftBins.of(1 - distances, -1.0, 1.0, self.num_bins)
        counts = places.histogram(pairs.positive + pairs.negative, ops.cast(pairs.positive > 0, "int32"), 2)
        totals = ops.stop_gradient(ops.sum(counts, axis=1, keepdims=True))
        empty = ops.cast(totals <= 0, totals.dtype)
        probabilities = counts / (totals + empty)
        value = ops.sum(probabilities[0] * ops.cumsum(probabilities[1]))
        return {"batch": Term(value, ops.prod(1 - empty))}
