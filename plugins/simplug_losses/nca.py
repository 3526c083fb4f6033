"""The loss of neighbourhood components analysis."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor, log_sum_exp


@attrs.frozen(kw_only=True)
class Nca(PairLoss):
    r"""Asks a neighbour drawn at random, near ones more likely, to be of the anchor's class.

    For each anchor with positives :math:`P`, and the scale :math:`\sigma`

    .. math::
        -\log \frac{\sum_{p \in P} e^{-\sigma d_{ap}}}{\sum_{j \neq a} e^{-\sigma d_{aj}}}

    where :math:`j` runs over positives and negatives. It is worked out in logarithms, so that an anchor whose
    probability is too small for a floating-point number is learned from like any other. One value an anchor that has
    a positive; the default distance is the square of the Euclidean distance of normalised embeddings, the default
    reducer averages.

    Goldberger et al., "Neighbourhood Components Analysis", NIPS 2004 (the logarithm of its objective, section 3).
    """

    distance: Distance = component(
        "distance", default={"name": "squared_euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    softmax_scale: float = option(1.0, gt=0, doc="how fast a neighbour's weight falls with its distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        return {"anchors": surprise(-self.softmax_scale * distances, pairs)}


def surprise(logits: Tensor, pairs: Pairs) -> Term:
    """Return minus the log-probability that a softmax over positives and negatives gives to the positives."""
    from keras import ops

    weights = ops.cast(ops.max(pairs.positive, axis=1) > 0, logits.dtype)
    values = ops.softplus(log_sum_exp(logits, pairs.negative) - log_sum_exp(logits, pairs.positive))
    return Term(values * weights, weights)
