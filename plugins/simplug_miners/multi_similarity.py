"""The miner of the multi-similarity loss."""

from __future__ import annotations

import attrs

from simplug.api import Miner, Pairs, option
from simplug.api.numerics import Tensor
from simplug_miners.masks import farthest, kept, nearest


@attrs.frozen
class MultiSimilarityMiner(Miner):
    r"""Keeps the pairs of an anchor that are hard against its opposite pairs.

    A negative pair is kept when it is nearer than the farthest positive, a positive pair when it is farther than the
    nearest negative, both with a slack of epsilon:

    .. math::
        d_{an} < \max_p d_{ap} + \varepsilon, \qquad d_{ap} > \min_n d_{an} - \varepsilon

    An anchor without a positive keeps no negative, and the other way round.

    Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning", CVPR 2019.
    """

    epsilon: float = option(0.1, doc="the slack, in units of the distance")

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the hard pairs."""
        farthest_positive = farthest(distances, pairs.positive > 0)
        nearest_negative = nearest(distances, pairs.negative > 0)
        return kept(
            pairs,
            distances > nearest_negative - self.epsilon,
            distances < farthest_positive + self.epsilon,
        )
