"""The tuplet margin loss."""

from __future__ import annotations

import math

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor, log_sum_exp, safe_sqrt


@attrs.frozen(kw_only=True)
class TupletMargin(PairLoss):
    r"""Compares each positive with all negatives of its anchor at once, after giving its angle a slack.

    .. math::
        \log\Bigl( 1 + \sum_{n} e^{\gamma (\cos\theta_{an} - \cos(\theta_{ap} - \beta))} \Bigr)

    where :math:`\gamma` is `scale`, :math:`\beta` is `margin` and the cosine is :math:`1 - d`. One value a positive
    pair; 0 for an anchor without negatives. The slack keeps positives from being pulled together closer than their
    class allows.

    The default distance is the cosine distance, the default reducer the mean.

    Yu, Tao, "Deep Metric Learning with Tuplet Margin Loss", ICCV 2019.
    """

    margin: float = option(5.73, ge=0, le=90, doc="the slack of the angle between anchor and positive, in degrees")
    scale: float = option(64.0, gt=0, doc="how sharply near negatives are weighted")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair."""
        from keras import ops

        cosines = 1 - distances
        # The cosine of a difference of angles needs no angle, whose slope has no bound where vectors coincide.
        sines = safe_sqrt(ops.relu(1 - ops.square(cosines)))
        slack = math.radians(self.margin)
        eased = math.cos(slack) * cosines + math.sin(slack) * sines
        push = log_sum_exp(self.scale * cosines, pairs.negative)
        return {"positive": Term(ops.softplus(ops.expand_dims(push, 1) - self.scale * eased), pairs.positive)}
