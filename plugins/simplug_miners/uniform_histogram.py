"""The miner of pairs at all distances alike."""

from __future__ import annotations

import attrs

from simplug.api import Miner, Pairs, option
from simplug.api.numerics import Tensor
from simplug_miners.draws import draws
from simplug_miners.masks import BEYOND, kept


@attrs.frozen
class UniformHistogram(Miner):
    r"""Draws pairs so that each part of the range of distances has the same number of them.

    The positive pairs of the batch are sorted into bins of equal width between their smallest and largest distance, and
    so many are drawn from each bin; the negative pairs likewise. A bin with fewer gives all it has: no pair is drawn
    twice.

    There is no random state: the draw is made from the seed and the bits of each distance. It is the same for the same
    batch in any order, another for another batch, and equal distances draw alike.
    """

    num_bins: int = option(100, ge=1, le=1000, doc="how many bins the range of distances has")
    pos_per_bin: int = option(10, ge=1, doc="how many positive pairs are drawn from each bin")
    neg_per_bin: int = option(10, ge=1, doc="how many negative pairs are drawn from each bin")
    seed: int = option(0, doc="another seed draws other pairs")

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the drawn pairs."""
        from keras import ops

        is_positive, is_negative = pairs.positive > 0, pairs.negative > 0
        # Bins of positives, then those of negatives, then one for what is no pair.
        bins = ops.where(is_negative, self._bins(distances, is_negative) + self.num_bins, 2 * self.num_bins)
        bins = ops.where(is_positive, self._bins(distances, is_positive), bins)
        per_bin = [self.pos_per_bin] * self.num_bins + [self.neg_per_bin] * self.num_bins + [0]
        # One sort for all bins: the number of the bin above the bits of the draw.
        bits = 31 - len(per_bin).bit_length()
        keys = bins * 2**bits + draws(distances, self.seed, bits)
        ordered = ops.sort(ops.reshape(keys, (-1,)))
        filled = ops.segment_sum(ops.ones_like(ordered), ops.reshape(bins, (-1,)), num_segments=len(per_bin))
        drawn = ops.minimum(filled, ops.convert_to_tensor(per_bin, dtype="int32"))
        last = ops.maximum(ops.cumsum(filled) - filled + drawn - 1, 0)
        bounds = ops.where(drawn > 0, ops.take(ordered, last), -1)
        chosen = keys <= ops.take(bounds, bins)
        return kept(pairs, chosen, chosen)

    def _bins(self, distances: Tensor, mask: Tensor) -> Tensor:
        from keras import ops

        least, most = ops.min(ops.where(mask, distances, BEYOND)), ops.max(ops.where(mask, distances, -BEYOND))
        width = ops.where(most > least, most - least, 1.0) / self.num_bins
        # Positions of what is outside the mask mean nothing, and must only fit into an integer.
        positions = ops.clip((distances - least) / width, 0, self.num_bins - 1)
        return ops.cast(ops.floor(positions), "int32")
