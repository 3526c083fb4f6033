"""ArcFace, the additive angular margin loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, ClassLoss, State, Term, option
from simplug.api.numerics import Tensor, safe_sqrt
from simplug_losses.class_softmax import cross_entropy, directions, of_anchors, own_products, products


@attrs.frozen(kw_only=True)
class ArcFace(ClassLoss):
    r"""Classifies an embedding by its cosines with the class vectors, after widening the angle to its own class's.

    .. math::
        -\log \frac{e^{s\,t(\theta_{y})}}{e^{s\,t(\theta_{y})} + \sum_{j \ne y} e^{s \cos\theta_j}}
        \qquad t(\theta) = \begin{cases}
            \cos(\theta + m) & \theta \le 180° - m \\
            \cos\theta - m \sin m & \text{otherwise (m in radians)}
        \end{cases}

    where :math:`\theta_j` is the angle between the embedding and the vector of class j, and y its own class. The
    second case keeps t falling over the whole range of angles. One value an anchor, reduced by their mean. The presets
    are the settings that "A Metric Learning Reality Check" (Musgrave, Belongie, Lim, ECCV 2020) found on three data
    sets.

    Deng, Guo, Xue, Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"margin": 23.2, "scale": 100.0},
        "cars": {"margin": 20.5, "scale": 49.5},
        "sop": {"margin": 18.6, "scale": 220.0},
    }
    margin: float = option(28.6, ge=0, lt=180, doc="what is added to the angle to the own class, in degrees")
    scale: float = option(64.0, gt=0, doc="what the cosines are multiplied by; larger is sharper")

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        anchors, vectors = directions(batch.embeddings, batch.state, self.scale)
        own = own_products(anchors, vectors, batch.labels)
        target = self.scale * with_angular_margin(own / self.scale, self.margin)
        return of_anchors(cross_entropy(products(anchors, vectors), batch.labels, own, target))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled cosines."""
        return products(*directions(embeddings, state, self.scale))


def with_angular_margin(cosines: Tensor, degrees: float) -> Tensor:
    """Return the cosines of angles widened by `degrees`; beyond 180 degrees they go on falling, in a straight line.

    The angle itself is never taken, for its derivative is infinite where the cosine is 1 or -1.
    """
    from keras import ops

    margin = math.radians(degrees)
    sines = safe_sqrt(ops.relu(1 - ops.square(cosines)))
    within = cosines >= -math.cos(margin)
    return ops.where(within, cosines * math.cos(margin) - sines * math.sin(margin), cosines - margin * math.sin(margin))
