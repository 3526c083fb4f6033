"""The normalized temperature-scaled cross entropy, also known as InfoNCE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor, log_sum_exp


@attrs.frozen(kw_only=True)
class NTXent(PairLoss):
    r"""Asks of each positive pair to stand out among the anchor's negatives, by cross entropy.

    With the similarity :math:`s = 1 - d` (the cosine, under the default distance) and the temperature :math:`T`, for
    each positive pair

    .. math::
        -\log \frac{e^{s_{ap} / T}}{e^{s_{ap} / T} + \sum_n e^{s_{an} / T}}

    The anchor's other positives are not in the denominator. One value a positive pair, however large: a pair that is
    far off keeps its gradient at any temperature. The default reducer averages over the positive pairs.

    van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding", arXiv 2018; Chen et al.,
    "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"temperature": 0.0091},
        "cars": {"temperature": 0.0219},
        "sop": {"temperature": 0.0002},
    }

    temperature: float = option(0.07, gt=0, doc="the difference of similarities that counts e-fold")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair."""
        logits = (1 - distances) / self.temperature
        return {"positive": Term(cross_entropy(logits, pairs), pairs.positive)}


def cross_entropy(logits: Tensor, pairs: Pairs) -> Tensor:
    """Return ``-log(e^l_ij / (e^l_ij + sum_n e^l_in))`` for every pair (i, j), n the negatives of i; (n, m)."""
    from keras import ops

    return ops.softplus(ops.expand_dims(log_sum_exp(logits, pairs.negative), 1) - logits)
