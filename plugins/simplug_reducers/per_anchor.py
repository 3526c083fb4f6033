"""One loss an anchor first, then a reducer over the anchors."""

from __future__ import annotations

from typing import Literal

import attrs

from simplug.api import Reducer, Term, component, option
from simplug.api.numerics import Tensor


@attrs.frozen
class PerAnchor(Reducer):
    r"""Aggregates the losses of each anchor, and hands one loss an anchor to another reducer.

    .. math:: v_i = \frac{\sum_j w_{ij} v_{ij}}{\sum_j w_{ij}} \qquad\text{or}\qquad v_i = \sum_j w_{ij} v_{ij}

    Every anchor counts the same then, whatever its number of pairs or triplets. An anchor without any is left out; it
    does not count as a loss of 0. Terms that are not over pairs go to the other reducer as they are.
    """

    reducer: Reducer = component("reducer", default="mean", doc="how the losses of the anchors become one number")
    aggregation: Literal["mean", "sum"] = option(
        "mean", choices=("mean", "sum"), doc="how the losses of one anchor become one: mean or sum"
    )

    def __attrs_post_init__(self) -> None:
        """Check that the other reducer gives one number, as this one promises to."""
        if not self.reducer.scalar:
            raise ValueError(f"reducer must be one that gives a scalar, not {self.reducer!r}")

    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return what the other reducer makes of one loss an anchor."""
        from keras import ops

        if len(term.values.shape) != 2:
            return self.reducer.reduce(term, labels)
        totals, counts = ops.sum(term.values * term.weights, axis=1), ops.sum(term.weights, axis=1)
        present = ops.cast(counts > 0, totals.dtype)
        values = totals / (counts + (1 - present)) if self.aggregation == "mean" else totals
        return self.reducer.reduce(Term(values, present), labels)
