"""The sum of all losses."""

from __future__ import annotations

import attrs

from simplug.api import Reducer, Term
from simplug.api.numerics import Tensor


@attrs.frozen
class Sum(Reducer):
    r"""The sum of all losses; it grows with the batch.

    .. math:: \sum_i w_i v_i
    """

    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return the weighted sum."""
        from keras import ops

        return ops.sum(term.values * term.weights)
