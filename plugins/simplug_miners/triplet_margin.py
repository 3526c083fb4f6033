"""The miner of triplets by how far their negative is beyond their positive."""

from __future__ import annotations

import math
from typing import Literal

import attrs

from simplug.api import Miner, Pairs, option
from simplug.api.numerics import Tensor
from simplug.api.positives import entries
from simplug_miners.masks import BEYOND, farthest, kept, nearest
from simplug_miners.triplets import of_triplets

Triplets = Literal["all", "easy", "semi_hard", "hard"]

TRIPLETS: tuple[Triplets, ...] = ("all", "easy", "semi_hard", "hard")


@attrs.frozen
class TripletMargin(Miner):
    r"""Keeps the triplets whose negative is within a margin beyond their positive, or a part of these, or the others.

    By the gap :math:`g = d_{an} - d_{ap}` of a triplet and the margin :math:`m`:

    ==========  ====================  ===============================================
    triplets    gap                   the negative is
    ==========  ====================  ===============================================
    all         :math:`g \le m`       not far enough
    semi_hard   :math:`0 < g \le m`   farther than the positive, but not far enough
    hard        :math:`g \le 0`       not farther than the positive
    easy        :math:`g > m`         far enough; the triplet costs nothing any more
    ==========  ====================  ===============================================

    A loss over triplets learns from exactly these, a loss over pairs from the pairs that are in at least one. After
    another miner of this kind, triplets must satisfy both.

    Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015.
    """

    margin: float = option(0.2, ge=0, doc="by how much a negative must be farther, in units of the distance")
    triplets: Triplets = option("all", choices=TRIPLETS, doc="which triplets are kept")

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the pairs of these triplets, with the band of their gaps."""
        low, high = {
            "all": (-math.inf, self.margin),
            "easy": (self.margin, math.inf),
            "semi_hard": (0.0, self.margin),
            "hard": (-math.inf, 0.0),
        }[self.triplets]
        if pairs.band is not None:
            low, high = max(low, pairs.band[0]), min(high, pairs.band[1])
        pairs = attrs.evolve(pairs, band=(low, high))
        is_positive, is_negative = pairs.positive > 0, pairs.negative > 0
        if low == -math.inf:
            # A pair is in such a triplet if it is with the hardest pair of the other kind; easiest below.
            negative = distances - farthest(distances, is_positive) <= high
            positive = nearest(distances, is_negative) - distances <= high
        elif high == math.inf:
            negative = distances - nearest(distances, is_positive) > low
            positive = farthest(distances, is_negative) - distances > low
        else:
            positive, negative = _between(low, high, distances, pairs.positive, is_negative)
        return kept(pairs, positive, negative)


def _between(
    low: float, high: float, distances: Tensor, positive: Tensor, is_negative: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the masks of the pairs in a triplet whose gap has two bounds."""
    from keras import ops

    # What is no negative is beyond every positive's reach.
    negatives = ops.expand_dims(ops.where(is_negative, distances, BEYOND), 1)

    def has_triplet(column: Tensor, present: Tensor) -> Tensor:
        own = ops.where(present > 0, entries(distances, column), -BEYOND)
        gaps = negatives - ops.expand_dims(own, 2)
        return (gaps > low) & (gaps <= high)

    return of_triplets(positive, has_triplet)
