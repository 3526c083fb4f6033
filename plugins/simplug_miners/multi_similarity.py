"""The miner of the multi-similarity loss."""

from __future__ import annotations

import attrs

from simplug.api import Miner, Pairs, option
from simplug.api.numerics import Tensor


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
        from keras import ops

        is_positive, is_negative = pairs.positive > 0, pairs.negative > 0
        # A bound beyond every distance stands for "no such pair"; infinity would do the same but turn into NaN in
        # arithmetic of half precision.
        beyond = ops.max(ops.abs(distances)) + abs(self.epsilon) + 1
        farthest_positive = ops.max(ops.where(is_positive, distances, -beyond), axis=1, keepdims=True)
        nearest_negative = ops.min(ops.where(is_negative, distances, beyond), axis=1, keepdims=True)
        hard_negative = (distances < farthest_positive + self.epsilon) & (farthest_positive > -beyond)
        hard_positive = (distances > nearest_negative - self.epsilon) & (nearest_negative < beyond)
        return Pairs(
            ops.where(hard_positive, pairs.positive, ops.zeros_like(pairs.positive)),
            ops.where(hard_negative, pairs.negative, ops.zeros_like(pairs.negative)),
        )
