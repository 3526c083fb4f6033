"""The mean over the losses between two bounds."""

from __future__ import annotations

import attrs

from simplug.api import Reducer, Term, option
from simplug.api.numerics import Tensor
from simplug_reducers.mean import ratio


@attrs.frozen
class Threshold(Reducer):
    r"""The mean over the losses above one bound and below another; 0 when there is none.

    .. math:: \frac{\sum_{i:\, low < v_i < high} w_i v_i}{\sum_{i:\, low < v_i < high} w_i}

    It looks at elements: where an element stands for several losses, as the triplets of a pair, it is their mean that
    is compared, and all of them are kept or left out. To leave out single triplets that cost nothing, use
    ``mean_nonzero``, which counts them.
    """

    low: float | None = option(0.0, doc="losses up to this are left out; none: no lower bound")
    high: float | None = option(None, doc="losses from this on are left out; none: no upper bound")

    def __attrs_post_init__(self) -> None:
        """Check that something lies between the bounds."""
        if self.low is not None and self.high is not None and self.high <= self.low:
            raise ValueError(f"high must be > low ({self.low}), not {self.high}")

    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return the weighted mean over the elements between the bounds."""
        from keras import ops

        weights = term.weights
        if self.low is not None:
            weights = weights * ops.cast(term.values > self.low, weights.dtype)
        if self.high is not None:
            weights = weights * ops.cast(term.values < self.high, weights.dtype)
        return ratio(ops.sum(term.values * weights), ops.sum(weights))
