"""Histograms with a gradient: a value counts in part at each of the two edges around it."""

from __future__ import annotations

import attrs

from simplug.api.numerics import Tensor


@attrs.frozen(eq=False)
class SoftBins:
    """Where values lie among the ``bins + 1`` edges of equal bins.

    Attributes:
        lower: The number of the edge at or below each value, from 0 to ``bins - 1``, int32.
        fraction: How much of the way from there to the next edge each value has gone, from 0 to 1. It has the gradient
            of the value; a value beyond the outermost edges lies on them and has none.
        bins: How many bins there are.
    """

    lower: Tensor
    fraction: Tensor
    bins: int

    @classmethod
    def of(cls, values: Tensor, low: float, high: float, bins: int) -> SoftBins:
        """Place values of any shape among the edges from `low` to `high`."""
        from keras import ops

        steps = ops.clip((values - low) * (bins / (high - low)), 0, bins)
        lower = ops.minimum(ops.floor(ops.stop_gradient(steps)), bins - 1)
        return cls(ops.cast(lower, "int32"), steps - lower, bins)

    def histogram(self, weights: Tensor, group: Tensor | int = 0, groups: Tensor | int = 1) -> Tensor:
        """Return the weight at each edge, (groups, bins + 1).

        Args:
            weights: How much each value counts; of the values' shape, without gradient.
            group: The number of the group that each value belongs to, int32, of a shape that broadcasts.
            groups: How many groups there are.
        """
        from keras import ops

        bin_of_group = ops.reshape(self.lower + self.bins * group, (-1,))
        sums = [
            ops.reshape(ops.segment_sum(ops.reshape(part, (-1,)), bin_of_group, groups * self.bins), (-1, self.bins))
            for part in (weights, weights * self.fraction)
        ]
        whole, upper = sums
        return ops.pad(whole - upper, [[0, 0], [0, 1]]) + ops.pad(upper, [[0, 0], [1, 0]])
