"""The miner of hard-aware cascades."""

from __future__ import annotations

import attrs

from simplug.api import Miner, Pairs, option
from simplug.api.numerics import Tensor
from simplug_miners.masks import kept
from simplug_miners.selection import smallest


@attrs.frozen
class Hdc(Miner):
    r"""Keeps the hardest part of all positive pairs and of all negative pairs of a batch.

    Of :math:`P` positive pairs the :math:`\lceil h P \rceil` farthest, of :math:`N` negative pairs the
    :math:`\lceil h N \rceil` nearest, where :math:`h` is the option `hard_ratio`. They are ranked over the whole batch,
    not for each anchor; pairs at exactly the distance of the last one are kept with it.

    A cascade, as in the paper, is a ``chain`` of them: each keeps a part of what the one before it kept.

    Yuan, Yang, Zhang, "Hard-Aware Deeply Cascaded Embedding", ICCV 2017.
    """

    hard_ratio: float = option(0.5, gt=0, le=1, doc="the part of the pairs of either kind that is kept")

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the hardest pairs."""
        from keras import ops

        # A row of all positives and a row of all negatives are searched together, the smallest value the hardest.
        values = ops.stack([ops.reshape(-distances, (-1,)), ops.reshape(distances, (-1,))])
        mask = ops.stack([ops.reshape(pairs.positive, (-1,)), ops.reshape(pairs.negative, (-1,))]) > 0
        total = ops.sum(ops.cast(mask, values.dtype), axis=1, keepdims=True)
        # What rounding adds to a whole number must not count as one pair more.
        hardest = smallest(values, mask, ops.ceil(self.hard_ratio * total * (1 - 1e-6)))
        shape = ops.shape(distances)
        return kept(pairs, ops.reshape(hardest[0], shape), ops.reshape(hardest[1], shape))
