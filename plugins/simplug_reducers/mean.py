"""Means: over all losses, and over those above zero."""

from __future__ import annotations

import attrs

from simplug.api import Reducer, Term
from simplug.api.numerics import Tensor


@attrs.frozen
class Mean(Reducer):
    r"""The mean over all losses.

    .. math:: \frac{\sum_i w_i v_i}{\sum_i w_i}
    """

    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return the weighted mean, or 0 when no loss has a weight."""
        from keras import ops

        return ratio(ops.sum(term.values * term.weights), ops.sum(term.weights))


@attrs.frozen
class MeanNonzero(Reducer):
    r"""The mean over the losses above zero, so that pairs which are right already do not water the rest down.

    .. math:: \frac{\sum_i w_i v_i}{\sum_{i: v_i > 0} w_i}
    """

    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return the weighted mean over the losses above zero, or 0 when there is none."""
        from keras import ops

        if term.active is not None:
            return ratio(ops.sum(ops.relu(term.values) * term.weights), ops.sum(term.active))
        weights = term.weights * ops.cast(term.values > 0, term.weights.dtype)
        return ratio(ops.sum(term.values * weights), ops.sum(weights))


def ratio(total: Tensor, count: Tensor) -> Tensor:
    """Return ``total / count``, or 0 with gradient 0 where the count is 0."""
    from keras import ops

    # The count has no gradient, and so neither has its inverse: what is divided by 0 stays out of the derivative.
    return total * ops.divide_no_nan(1.0, ops.stop_gradient(count))
