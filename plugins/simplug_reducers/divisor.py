"""The sum over the number that the loss asks for."""

from __future__ import annotations

import attrs

from simplug.api import Reducer, Term
from simplug.api.numerics import Tensor
from simplug_reducers.mean import ratio


@attrs.frozen
class Divisor(Reducer):
    r"""The sum of all losses over what the loss's paper divides by.

    .. math:: \frac{\sum_i w_i v_i}{D}

    A loss whose paper says nothing else is divided by the sum of its weights, as by ``mean``; a divisor of 0 gives 0.
    """

    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return the weighted sum over the term's divisor."""
        from keras import ops

        divisor = ops.sum(term.weights) if term.divisor is None else term.divisor
        return ratio(ops.sum(term.values * term.weights), divisor)
