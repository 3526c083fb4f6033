"""AdaCos, whose scale finds itself."""

from __future__ import annotations

import math

import attrs

from simplug.api import Batch, ClassLoss, State, Term, Weight, option
from simplug.api.numerics import Tensor
from simplug_losses.class_softmax import (
    cross_entropy,
    directions,
    of_anchors,
    own_products,
    products,
    without_own,
)


@attrs.frozen(kw_only=True)
class AdaCos(ClassLoss):
    r"""Classifies an embedding by its cosines with the class vectors, scaled by what the batches so far ask for.

    .. math:: -\log \frac{e^{s \cos\theta_{y}}}{\sum_j e^{s \cos\theta_j}}

    where :math:`\theta_j` is the angle between the embedding and the vector of class j, and y its own class. The scale
    starts as :math:`\sqrt{2} \log(C - 1)` and moves with each batch of the training to

    .. math::
        s \leftarrow \frac{\log B}{\cos(\min(45°, \theta_{med}))}
        \qquad B = \frac{1}{n} \sum_i \sum_{j \ne y_i} e^{s \cos\theta_{ij}}

    where :math:`\theta_{med}` is the median of the batch's angles to the own classes. It never falls below 0. One
    value an anchor, reduced by their mean.

    Zhang, Zhao, Qiao, Wang, Li, "AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep Face
    Representations", CVPR 2019.
    """

    num_classes: int = option(
        ge=3, doc="how many classes there are; labels go from 0 to one less. With two, the scale would stay 0"
    )

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the class vectors, (num_classes, dim), drawn from a normal distribution, and the scale, ()."""
        start = {"class_name": "Constant", "config": {"value": math.sqrt(2) * math.log(self.num_classes - 1)}}
        return super().state(dim) | {"scale": Weight((), start, trainable=False)}

    def next_state(self, batch: Batch) -> dict[str, Tensor]:
        """Return the scale that the batch asks for."""
        from keras import ops

        anchors, vectors = directions(ops.stop_gradient(batch.embeddings), batch.state)
        others = without_own(products(batch.state["scale"] * anchors, vectors), batch.labels)
        count = ops.cast(ops.shape(anchors)[0], anchors.dtype)
        log_sum = ops.logsumexp(others) - ops.log(count)
        cosines = ops.clip(own_products(anchors, vectors, batch.labels), -1.0, 1.0)
        angle = ops.minimum(ops.median(ops.arccos(cosines)), math.pi / 4)
        return {"scale": ops.stop_gradient(ops.relu(log_sum) / ops.cos(angle))}

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        anchors, vectors = self._sides(batch.embeddings, batch.state)
        own = own_products(anchors, vectors, batch.labels)
        return of_anchors(cross_entropy(products(anchors, vectors), batch.labels, own))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled cosines."""
        return products(*self._sides(embeddings, state))

    @staticmethod
    def _sides(embeddings: Tensor, state: State) -> tuple[Tensor, Tensor]:
        from keras import ops

        anchors, vectors = directions(embeddings, state)
        return ops.stop_gradient(ops.cast(state["scale"], anchors.dtype)) * anchors, vectors
