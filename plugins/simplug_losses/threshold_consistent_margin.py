"""The threshold-consistent margin, on its own or beside another loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Loss, PairLoss, Pairs, Reducer, Term, Weight, component, option
from simplug.api.numerics import Tensor
from simplug.api.state import prefixed, within


@attrs.frozen(kw_only=True)
class ThresholdConsistentMargin(PairLoss):
    r"""Adds to a loss a pull on the pairs near the thresholds, so that one threshold serves all classes.

    With the similarity :math:`s = 1 - d` (the cosine, under the default distance)

    .. math::
        L + \lambda_+ [m_+ - s_{ap}]_+ + \lambda_- [s_{an} - m_-]_+

    The two kinds of pairs are reduced apart and then added; the default reducer averages over the pairs with a value
    above 0, those beyond their threshold. :math:`L` is the option `loss`, reduced in its own way; without it the pulls
    stand alone.

    Zhang et al., "Threshold-Consistent Margin Loss for Open-World Deep Metric Learning", ICLR 2024.
    """

    reducer: Reducer = component("reducer", default="mean_nonzero", doc="how the values become one number")
    loss: Loss | None = component("loss", default=None, doc="the loss that this is added to; none: it stands alone")
    lambda_plus: float = option(1.0, ge=0, doc="the weight of the positive pairs")
    lambda_minus: float = option(1.0, ge=0, doc="the weight of the negative pairs")
    margin_plus: float = option(0.9, doc="positive pairs that are more similar than this cost nothing")
    margin_minus: float = option(0.5, doc="negative pairs that are less similar than this cost nothing")

    def __attrs_post_init__(self) -> None:
        if self.loss is not None and self.loss.label_rank != self.label_rank:
            raise ValueError("loss must take labels of the same form: give both the same label_comparison")

    def state(self, dim: int) -> dict[str, Weight]:
        """Return what the inner loss keeps."""
        return {} if self.loss is None else prefixed(self.loss.state(dim), "loss")

    def next_state(self, batch: Batch) -> dict[str, Tensor]:
        """Return what the inner loss changes of what it keeps."""
        return {} if self.loss is None else prefixed(self.loss.next_state(_inner(batch)), "loss")

    def value(self, batch: Batch) -> Tensor:
        """Return the loss of a checked batch."""
        own = super().value(batch)
        return own if self.loss is None else own + self.loss.value(self.loss.accepted(_inner(batch)))

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair, and one a negative pair."""
        from keras import ops

        return {
            "positive": Term(self.lambda_plus * ops.relu(distances - (1 - self.margin_plus)), pairs.positive),
            "negative": Term(self.lambda_minus * ops.relu((1 - self.margin_minus) - distances), pairs.negative),
        }


def _inner(batch: Batch) -> Batch:
    return attrs.evolve(batch, state=within(batch.state, "loss"))
