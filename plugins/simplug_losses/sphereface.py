"""SphereFace, the angular softmax loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, ClassLoss, State, Term, option
from simplug.api.numerics import Tensor, unit_rows
from simplug_losses.class_softmax import cross_entropy, embeddings_and_vectors, of_anchors, own_rows, products
from simplug_losses.large_margin_softmax import lengths_and_directions, with_multiplied_angle


@attrs.frozen(kw_only=True)
class SphereFace(ClassLoss):
    r"""Large-margin softmax with class vectors of length 1.

    .. math::
        -\log \frac{e^{s \lVert x \rVert \psi(\theta_y)}}
        {e^{s \lVert x \rVert \psi(\theta_y)} + \sum_{j \ne y} e^{s \lVert x \rVert \cos\theta_j}}
        \qquad \psi(\theta) = (-1)^k \cos(m \theta) - 2k, \quad \frac{k \pi}{m} \le \theta \le \frac{(k + 1) \pi}{m}

    where :math:`\theta_j` is the angle between the embedding x and the vector of class j, and y its own class. One
    value an anchor, reduced by their mean.

    Liu, Wen, Yu, Li, Raj, Song, "SphereFace: Deep Hypersphere Embedding for Face Recognition", CVPR 2017.
    """

    margin: int = option(4, ge=1, doc="by which whole number the angle to the own class is multiplied; 1 is no margin")
    scale: float = option(1.0, gt=0, doc="what the products are multiplied by; larger is sharper")

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        embeddings, vectors = embeddings_and_vectors(batch.embeddings, batch.state)
        anchors, vectors = self.scale * embeddings, unit_rows(vectors)
        mine = own_rows(vectors, batch.labels)
        lengths, directions = lengths_and_directions(anchors)
        target = lengths * with_multiplied_angle(ops.sum(directions * mine, axis=1), self.margin)
        own = ops.sum(anchors * mine, axis=1)
        return of_anchors(cross_entropy(products(anchors, vectors), batch.labels, own, target))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled products of the embeddings with class vectors of length 1."""
        embeddings, vectors = embeddings_and_vectors(embeddings, state)
        return products(self.scale * embeddings, unit_rows(vectors))
