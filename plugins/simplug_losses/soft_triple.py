"""The SoftTriple loss."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, ClassLoss, State, Term, Weight, option
from simplug.api.numerics import Tensor
from simplug_losses.class_softmax import cross_entropy, directions, of_anchors, own_products, products, vectors_of_rank


@attrs.frozen(kw_only=True)
class SoftTriple(ClassLoss):
    r"""Classifies an embedding by its cosines with several learned centers of each class.

    .. math::
        -\log \frac{e^{\lambda (S_{y} - m)}}{e^{\lambda (S_{y} - m)} + \sum_{j \ne y} e^{\lambda S_j}}
        \qquad S_j = \sum_k \frac{e^{c_{jk} / \gamma}}{\sum_l e^{c_{jl} / \gamma}}\, c_{jk}

    where :math:`c_{jk}` is the cosine with the k-th center of class j, y the own class and :math:`\lambda` the option
    `scale`. One value an anchor, reduced by their mean. The paper also draws the centers of a class together: that is
    ``weight_regularizer = "sparse_centers"``. The presets are the settings that "A Metric Learning Reality Check"
    (Musgrave, Belongie, Lim, ECCV 2020) found on three data sets; their gamma makes :math:`S_j` almost the mean.

    Qian, Shang, Sun, Hu, Li, Jin, "SoftTriple Loss: Deep Metric Learning Without Triplet Sampling", ICCV 2019.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"scale": 78.0, "gamma": 59.0, "margin": 0.43},
        "cars": {"scale": 17.7, "gamma": 19.0, "margin": 0.36},
        "sop": {"scale": 100.0, "gamma": 48.0, "margin": 0.31},
    }
    centers_per_class: int = option(10, ge=1, doc="how many centers a class has")
    margin: float = option(0.01, ge=0, doc="what is taken off the similarity to the own class")
    scale: float = option(20.0, gt=0, doc="what the similarities are multiplied by; larger is sharper")
    gamma: float = option(0.1, gt=0, doc="the temperature of the softmax between the centers of a class")

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the centers, (num_classes x centers_per_class, dim), drawn from a uniform distribution."""
        # Its bound is one over the root of the number of centers; the loss sees their directions only.
        config = {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"}
        shape = (self.num_classes * self.centers_per_class, dim)
        return {"weight": Weight(shape, {"class_name": "VarianceScaling", "config": config})}

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        anchors, vectors = directions(batch.embeddings, batch.state, 1 / self.gamma)
        centers = vectors_of_rank(vectors, self.centers_per_class)
        logits = self._similarity([products(anchors, center) for center in centers])
        own = self._similarity([own_products(anchors, center, batch.labels) for center in centers])
        return of_anchors(cross_entropy(logits, batch.labels, own, own - self.scale * self.margin))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled similarities."""
        anchors, vectors = directions(embeddings, state, 1 / self.gamma)
        return self._similarity(
            [products(anchors, center) for center in vectors_of_rank(vectors, self.centers_per_class)]
        )

    def _similarity(self, cosines: list[Tensor]) -> Tensor:
        """Return the scaled similarity to the classes, given the cosines over gamma with one center of each."""
        from keras import ops

        top = ops.stop_gradient(functools.reduce(ops.maximum, cosines))
        shares = [ops.exp(cosine - top) for cosine in cosines]
        total = functools.reduce(ops.add, [share * cosine for share, cosine in zip(shares, cosines, strict=True)])
        return total * (self.scale * self.gamma) / functools.reduce(ops.add, shares)
