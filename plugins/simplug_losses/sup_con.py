"""The supervised contrastive loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, PairLoss, Pairs, Reducer, Term, component, option
from simplug.api.numerics import TINY, Tensor, log_sum_exp


@attrs.frozen(kw_only=True)
class SupCon(PairLoss):
    r"""Asks all positives of an anchor to stand out among everything that the anchor is compared with.

    With the similarity :math:`s = 1 - d` (the cosine, under the default distance) and the temperature :math:`T`, for
    each anchor with positives :math:`P`

    .. math::
        -\frac{1}{|P|} \sum_{p \in P} \log \frac{e^{s_{ap} / T}}{\sum_{j \neq a} e^{s_{aj} / T}}

    where :math:`j` runs over positives and negatives. One value an anchor that has a positive; a batch without any
    negative has nothing to contrast and costs nothing. The default reducer averages over the anchors with a value
    above 0.

    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020 (its form with the sum outside the logarithm).
    """

    reducer: Reducer = component("reducer", default="mean_nonzero", doc="how the values become one number")
    temperature: float = option(0.1, gt=0, doc="the difference of similarities that counts e-fold")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        count = ops.sum(pairs.positive, axis=1)
        weights = ops.cast((count > 0) & (ops.max(pairs.negative) > 0), distances.dtype)
        nearness = distances * (-1 / self.temperature)
        of_positives = ops.sum(pairs.positive * nearness, axis=1) / ops.maximum(count, TINY)
        of_all = log_sum_exp(nearness, pairs.positive + pairs.negative)
        return {"anchors": Term((of_all - of_positives) * weights, weights)}
