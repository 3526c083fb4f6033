"""The circle loss over pairs."""

from __future__ import annotations

import attrs

from simplug.api import Batch, PairLoss, Pairs, Reducer, Term, component, option
from simplug.api.numerics import Tensor, log_sum_exp


@attrs.frozen(kw_only=True)
class Circle(PairLoss):
    r"""Pulls each pair the harder, the farther it is from where it should be.

    With the similarity :math:`s = 1 - d` (the cosine, under the default distance) and the margin :math:`m`, for each
    anchor

    .. math::
        \log\Bigl(1 + \sum_p e^{-\gamma [1 + m - s_{ap}]_+ (s_{ap} - (1 - m))}
        \cdot \sum_n e^{\gamma [s_{an} + m]_+ (s_{an} - m)}\Bigr)

    The factors in brackets pace the learning and have no gradient. One value an anchor; 0 where it lacks a positive
    or a negative. The default reducer averages over the anchors with a value above 0. The paper sets the margin and
    gamma to 0.25 and 256 for faces, 0.25 and 128 for persons, 0.4 and 80 for fine-grained retrieval.

    Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", CVPR 2020.
    """

    reducer: Reducer = component("reducer", default="mean_nonzero", doc="how the values become one number")
    margin: float = option(0.4, doc="how far similarities may be from 1 and 0, in units of the similarity")
    gamma: float = option(80.0, gt=0, doc="how sharply the worst pairs of an anchor are weighted")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        held = ops.stop_gradient(distances)
        pull = self.gamma * ops.relu(held + self.margin) * (distances - self.margin)
        push = self.gamma * ops.relu(1 + self.margin - held) * (1 - self.margin - distances)
        values = ops.softplus(log_sum_exp(pull, pairs.positive) + log_sum_exp(push, pairs.negative))
        return {"anchors": Term(values, ops.ones_like(values))}
