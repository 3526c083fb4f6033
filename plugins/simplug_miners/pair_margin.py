"""The miner of pairs on the wrong side of a margin."""

from __future__ import annotations

import attrs

from simplug.api import Miner, Pairs, option
from simplug.api.numerics import Tensor
from simplug_miners.masks import kept


@attrs.frozen
class PairMargin(Miner):
    r"""Keeps positives that are farther than one margin and negatives that are nearer than another.

    .. math:: d_{ap} > m_{pos}, \qquad d_{an} < m_{neg}

    Each pair is judged alone. The margins fit the Euclidean distance of normalised embeddings, from 0 to 2.
    """

    pos_margin: float = option(0.2, doc="positives beyond it are kept, in units of the distance")
    neg_margin: float = option(0.8, doc="negatives within it are kept, in units of the distance")

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the pairs on the wrong side."""
        return kept(pairs, distances > self.pos_margin, distances < self.neg_margin)
