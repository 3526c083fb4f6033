"""No reduction over the batch: one loss an anchor."""

from __future__ import annotations

from typing import ClassVar

import attrs

from simplug.api import Reducer, Term
from simplug.api.numerics import Tensor
from simplug_reducers.mean import ratio


@attrs.frozen
class Unreduced(Reducer):
    r"""One loss an anchor, (n,), to look at or to weigh; no model can be trained with it.

    .. math:: v_i = \frac{\sum_j w_{ij} v_{ij}}{\sum_j w_{ij}}

    Each term is averaged over the anchor's own elements, and the terms are added; an anchor without any has loss 0.
    A loss of the whole batch, and the mean of one over classes, is every anchor's loss, so that the mean over the
    anchors is that loss again.
    """

    scalar: ClassVar[bool] = False

    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return the term for each anchor, (n,); for a term of the whole batch without labels, a scalar."""
        from keras import ops

        rank = len(term.values.shape)
        if rank == 0 or term.by_class:
            whole = ratio(ops.sum(term.values * term.weights), ops.sum(term.weights))
            return whole if labels is None else ops.broadcast_to(whole, (ops.shape(labels)[0],))
        if rank == 1:
            return term.values * ops.cast(term.weights > 0, term.values.dtype)
        return ratio(ops.sum(term.values * term.weights, axis=1), ops.sum(term.weights, axis=1))
