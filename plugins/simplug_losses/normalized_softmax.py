"""The normalized softmax loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, ClassLoss, State, Term, option
from simplug.api.numerics import Tensor
from simplug_losses.class_softmax import cross_entropy, directions, of_anchors, own_products, products


@attrs.frozen(kw_only=True)
class NormalizedSoftmax(ClassLoss):
    r"""Classifies an embedding by its cosines with the class vectors, divided by a temperature.

    .. math:: -\log \frac{e^{\cos\theta_{y} / T}}{\sum_j e^{\cos\theta_j / T}}

    where :math:`\theta_j` is the angle between the embedding and the vector of class j, and y its own class. One
    value an anchor, reduced by their mean. The presets are the settings that "A Metric Learning Reality Check"
    (Musgrave, Belongie, Lim, ECCV 2020) found on three data sets.

    Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", ACM Multimedia 2017; Zhai, Wu,
    "Classification is a Strong Baseline for Deep Metric Learning", BMVC 2019.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"temperature": 0.109},
        "cars": {"temperature": 0.089},
        "sop": {"temperature": 0.063},
    }
    temperature: float = option(0.05, gt=0, doc="what the cosines are divided by; smaller is sharper")

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        anchors, vectors = directions(batch.embeddings, batch.state, 1 / self.temperature)
        own = own_products(anchors, vectors, batch.labels)
        return of_anchors(cross_entropy(products(anchors, vectors), batch.labels, own))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) cosines divided by the temperature."""
        return products(*directions(embeddings, state, 1 / self.temperature))
