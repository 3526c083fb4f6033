"""The miner of triplets with a wide angle at their negative."""

from __future__ import annotations

import math

import attrs

from simplug.api import Miner, Pairs, option
from simplug.api.numerics import Tensor
from simplug.api.positives import entries
from simplug_miners.masks import BEYOND, kept
from simplug_miners.triplets import of_triplets


@attrs.frozen
class AngularMiner(Miner):
    r"""Keeps the pairs of triplets whose negative sees the anchor and the positive under a wide angle.

    With :math:`c`, the midpoint of anchor and positive,

    .. math:: \arctan \frac{d_{ap}}{2\, d_{nc}} > \alpha

    It takes the distance as Euclidean: by Apollonius' theorem
    :math:`d_{nc}^2 = (d_{an}^2 + d_{pn}^2)/2 - d_{ap}^2/4`, so that the condition is

    .. math:: d_{an}^2 + d_{pn}^2 < \frac{d_{ap}^2}{2 \sin^2 \alpha}

    Under another distance it keeps other pairs than the paper's: name ``{ name = "euclidean", normalize = true }`` as
    the distance of the loss. Which two pairs make up such a triplet is not recorded: a loss over triplets learns from
    all triplets of the kept pairs.

    Wang et al., "Deep Metric Learning with Angular Loss", ICCV 2017.
    """

    angle: float = option(20.0, gt=0, lt=90, doc="the angle above which a triplet is kept, in degrees")

    @property
    def needs_among(self) -> bool:
        """It looks at the distances between positives and negatives."""
        return True

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the pairs of triplets with a wide angle."""
        from keras import ops

        squares = ops.square(distances)
        among_squares = squares if among is None else ops.square(among)
        negatives = ops.expand_dims(ops.where(pairs.negative > 0, squares, BEYOND), 1)
        reach = 1 / (2 * math.sin(math.radians(self.angle)) ** 2)

        def is_wide(column: Tensor, present: Tensor) -> Tensor:
            bound = ops.expand_dims(reach * present * entries(squares, column), 2)
            return negatives + ops.take(among_squares, column, axis=0) < bound

        return kept(pairs, *of_triplets(pairs.positive, is_wide))
