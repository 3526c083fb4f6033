"""The circle loss with class vectors."""

from __future__ import annotations

import math

import attrs

from simplug.api import Batch, ClassLoss, State, Term, option
from simplug.api.numerics import Tensor
from simplug_losses.class_softmax import cross_entropy, directions, of_anchors, own_products, products


@attrs.frozen(kw_only=True)
class CircleClassLevel(ClassLoss):
    r"""The circle loss in its form for class labels: each cosine is weighted by how far it is from its optimum.

    .. math::
        \log\Bigl(1 + \sum_{j \ne y} e^{\gamma \alpha_j (\cos\theta_j - m)}\,
        e^{-\gamma \alpha_y (\cos\theta_y - (1 - m))}\Bigr)
        \qquad \alpha_j = [\cos\theta_j + m]_+, \quad \alpha_y = [1 + m - \cos\theta_y]_+

    where :math:`\theta_j` is the angle between the embedding and the vector of class j, y its own class and
    :math:`\gamma` the option `scale`; the weights alpha have no gradient. It is the cross-entropy of a softmax whose
    logits are the weighted terms. One value an anchor, reduced by their mean.

    Sun, Cheng, Zhang, Zhang, Zheng, Wang, Wei, "Circle Loss: A Unified Perspective of Pair Similarity Optimization",
    CVPR 2020.
    """

    margin: float = option(0.25, ge=0, doc="how near to 1 and to 0 the cosines are to come")
    scale: float = option(256.0, gt=0, doc="what the weighted terms are multiplied by; larger is sharper")

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        # Weight and cosine each carry the root of the scale, so that no array over all classes has to be scaled.
        root = math.sqrt(self.scale)
        anchors, vectors = directions(batch.embeddings, batch.state, root)
        own = own_products(anchors, vectors, batch.labels)
        weight = ops.stop_gradient(ops.relu(root * (1 + self.margin) - own))
        target = weight * (own - root * (1 - self.margin))
        logits = self._as_negatives(products(anchors, vectors))
        return of_anchors(cross_entropy(logits, batch.labels, self._as_negatives(own), target))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled cosines."""
        return products(*directions(embeddings, state, self.scale))

    def _as_negatives(self, cosines: Tensor) -> Tensor:
        """Return the weighted terms of cosines, both of them times the root of the scale, as of other classes."""
        from keras import ops

        margin = math.sqrt(self.scale) * self.margin
        return ops.stop_gradient(ops.relu(cosines + margin)) * (cosines - margin)
