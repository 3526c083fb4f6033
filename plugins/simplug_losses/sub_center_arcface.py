"""ArcFace with several vectors a class."""

from __future__ import annotations

import functools

import attrs

from simplug.api import Batch, ClassLoss, State, Term, Weight, option
from simplug.api.numerics import Tensor
from simplug_losses.arcface import with_angular_margin
from simplug_losses.class_softmax import cross_entropy, directions, of_anchors, own_products, products, vectors_of_rank


@attrs.frozen(kw_only=True)
class SubCenterArcFace(ClassLoss):
    r"""ArcFace in which a class has several vectors, and an embedding counts as near as the nearest of them.

    .. math::
        -\log \frac{e^{s\,t(\theta_{y})}}{e^{s\,t(\theta_{y})} + \sum_{j \ne y} e^{s \cos\theta_j}}
        \qquad \cos\theta_j = \max_k \cos\theta_{jk}

    where :math:`\theta_{jk}` is the angle between the embedding and the k-th vector of class j, y is its own class and
    t the cosine of the angle widened by the margin, as in :class:`ArcFace`. Examples with wrong labels gather around
    vectors of their own. One value an anchor, reduced by their mean.

    Deng, Guo, Liu, Gong, Zafeiriou, "Sub-center ArcFace: Boosting Face Recognition by Large-Scale Noisy Web Faces",
    ECCV 2020.
    """

    margin: float = option(28.6, ge=0, lt=180, doc="what is added to the angle to the own class, in degrees")
    scale: float = option(64.0, gt=0, doc="what the cosines are multiplied by; larger is sharper")
    sub_centers: int = option(3, ge=1, doc="how many vectors a class has")

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the class vectors, (num_classes x sub_centers, dim), drawn from a normal distribution."""
        (weight,) = super().state(dim).values()
        return {"weight": attrs.evolve(weight, shape=(self.num_classes * self.sub_centers, dim))}

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        anchors, vectors = directions(batch.embeddings, batch.state, self.scale)
        ranks = vectors_of_rank(vectors, self.sub_centers)
        logits = functools.reduce(ops.maximum, [products(anchors, rank) for rank in ranks])
        own = functools.reduce(ops.maximum, [own_products(anchors, rank, batch.labels) for rank in ranks])
        target = self.scale * with_angular_margin(own / self.scale, self.margin)
        return of_anchors(cross_entropy(logits, batch.labels, own, target))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled cosines with the nearest vector of each class."""
        from keras import ops

        anchors, vectors = directions(embeddings, state, self.scale)
        ranks = vectors_of_rank(vectors, self.sub_centers)
        return functools.reduce(ops.maximum, [products(anchors, rank) for rank in ranks])
