"""CosFace, the large margin cosine loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, ClassLoss, State, Term, option
from simplug.api.numerics import Tensor
from simplug_losses.class_softmax import cross_entropy, directions, of_anchors, own_products, products


@attrs.frozen(kw_only=True)
class CosFace(ClassLoss):
    r"""Classifies an embedding by its cosines with the class vectors, after taking a margin off its own class's.

    .. math::
        -\log \frac{e^{s (\cos\theta_{y} - m)}}{e^{s (\cos\theta_{y} - m)} + \sum_{j \ne y} e^{s \cos\theta_j}}

    where :math:`\theta_j` is the angle between the embedding and the vector of class j, and y its own class. One
    value an anchor, reduced by their mean. The presets are the settings that "A Metric Learning Reality Check"
    (Musgrave, Belongie, Lim, ECCV 2020) found on three data sets.

    Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018; Wang et al., "Additive
    Margin Softmax for Face Verification", IEEE Signal Processing Letters 2018.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"margin": 0.62, "scale": 100.0},
        "cars": {"margin": 0.43, "scale": 161.0},
        "sop": {"margin": 0.34, "scale": 100.0},
    }
    margin: float = option(0.35, ge=0, doc="what is taken off the cosine with the own class")
    scale: float = option(64.0, gt=0, doc="what the cosines are multiplied by; larger is sharper")

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        anchors, vectors = directions(batch.embeddings, batch.state, self.scale)
        own = own_products(anchors, vectors, batch.labels)
        target = own - self.scale * self.margin
        return of_anchors(cross_entropy(products(anchors, vectors), batch.labels, own, target))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled cosines."""
        return products(*directions(embeddings, state, self.scale))
