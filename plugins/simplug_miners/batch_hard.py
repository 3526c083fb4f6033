"""The miner of the hardest pairs of each anchor."""

from __future__ import annotations

import attrs

from simplug.api import Miner, Pairs
from simplug.api.numerics import Tensor
from simplug_miners.masks import BEYOND, farthest, kept, nearest


@attrs.frozen
class BatchHard(Miner):
    r"""Keeps the farthest positive and the nearest negative of each anchor that has both.

    .. math::
        d_{ap} = \max_{p'} d_{ap'}, \qquad d_{an} = \min_{n'} d_{an'}

    Pairs at exactly the same distance are kept together, so that the order of the batch has no part in it.

    Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017.
    """

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the hardest pairs."""
        from keras import ops

        farthest_positive = farthest(distances, pairs.positive > 0)
        nearest_negative = nearest(distances, pairs.negative > 0)
        # Where one of the two is missing, the other is compared with a bound that no distance reaches.
        positive_bound = ops.where(nearest_negative < BEYOND, farthest_positive, BEYOND)
        negative_bound = ops.where(farthest_positive > -BEYOND, nearest_negative, -BEYOND)
        return kept(pairs, distances >= positive_bound, distances <= negative_bound)
