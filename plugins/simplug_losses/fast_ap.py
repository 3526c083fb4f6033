"""The average precision of a soft histogram of distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor
from simplug_losses.soft_histogram import SoftBins


@attrs.frozen(kw_only=True)
class FastAP(PairLoss):
    r"""Raises the average precision of each anchor's ranking, with distances sorted into soft bins.

    .. math::
        1 - \frac{1}{|P_i|} \sum_{k=0}^{K} \frac{h^+_k H^+_k}{H_k}

    where :math:`h^+_k` is the soft count of the anchor's positives at edge k of the histogram, :math:`H^+_k` their
    count up to there and :math:`H_k` that of all its pairs. The edges are equally spaced from 0 to `max_distance`, and
    a distance counts in part at each of the two around it. One value an anchor that has a positive.

    The default distance is the squared Euclidean distance of normalised embeddings, which lies between 0 and 4; the
    default reducer is the mean.

    Cakir et al., "Deep Metric Learning to Rank", CVPR 2019.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"num_bins": 17},
        "cars": {"num_bins": 27},
        "sop": {"num_bins": 16},
    }

    distance: Distance = component(
        "distance", default={"name": "squared_euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    num_bins: int = option(10, ge=1, doc="the number of bins between 0 and the largest distance")
    max_distance: float = option(4.0, gt=0, doc="the last edge, in units of the distance; what is farther lies on it")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        rows = ops.shape(distances)[0]
        # Each anchor has two histograms: the first of its negatives, the second of its positives.
        is_positive = ops.cast(pairs.positive > 0, "int32")
        group = is_positive + ops.expand_dims(2 * ops.arange(rows, dtype="int32"), 1)
        places = SoftBins.of(distances, 0.0, self.max_distance, self.num_bins)
        counts = places.histogram(pairs.positive + pairs.negative, group, 2 * rows)
        counts = ops.reshape(counts, (-1, 2, self.num_bins + 1))
        positive = counts[:, 1]
        positive_up_to, all_up_to = ops.cumsum(positive, axis=1), ops.cumsum(ops.sum(counts, axis=1), axis=1)

        empty = ops.cast(all_up_to <= 0, all_up_to.dtype)
        hits = ops.sum(positive * positive_up_to / (all_up_to + empty), axis=1)
        total = ops.sum(pairs.positive, axis=1)
        present = ops.cast(total > 0, total.dtype)
        return {"anchors": Term((1 - hits / (total + (1 - present))) * present, present)}
