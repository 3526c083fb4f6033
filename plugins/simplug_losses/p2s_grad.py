"""The P2SGrad loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, ClassLoss, State, Term
from simplug.api.numerics import Tensor
from simplug_losses.class_softmax import directions, of_anchors, own_products, products


@attrs.frozen(kw_only=True)
class P2SGrad(ClassLoss):
    r"""Draws the cosine with the own class to 1 and those with all others to 0; it has nothing to be tuned.

    .. math:: \frac{1}{C} \sum_{j=1}^{C} (\cos\theta_j - [j = y])^2

    where :math:`\theta_j` is the angle between the embedding and the vector of class j, and y its own class. Up to a
    factor its gradient is the one that the paper puts in place of the softmax's. One value an anchor, reduced by their
    mean.

    Zhang, Zhao, Yan, Li, Qiao, Wang, Li, "P2SGrad: Refined Gradients for Optimizing Deep Face Models", CVPR 2019.
    """

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        anchors, vectors = directions(batch.embeddings, batch.state)
        count, (classes, dim) = anchors.shape[0], vectors.shape
        if count is not None and min(count, classes) <= dim:
            own = ops.one_hot(ops.cast(batch.labels, "int32"), classes, dtype=anchors.dtype)
            return of_anchors(ops.mean(ops.square(products(anchors, vectors) - own), axis=1))
        # With more anchors and more vectors than dimensions, a (d, d) matrix holds all that the sum of the squared
        # cosines needs of the vectors, and there is no array over anchors and classes.
        moments = ops.matmul(ops.transpose(vectors), vectors)
        squares = ops.sum(ops.matmul(anchors, moments) * anchors, axis=1)
        return of_anchors((squares - 2 * own_products(anchors, vectors, batch.labels) + 1) / classes)

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) cosines."""
        return products(*directions(embeddings, state))
