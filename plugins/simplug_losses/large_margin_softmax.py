"""The large-margin softmax loss."""

from __future__ import annotations

import math

import attrs

from simplug.api import Batch, ClassLoss, State, Term, option
from simplug.api.numerics import Tensor, safe_sqrt, unit_rows
from simplug_losses.class_softmax import cross_entropy, embeddings_and_vectors, of_anchors, own_rows, products


@attrs.frozen(kw_only=True)
class LargeMarginSoftmax(ClassLoss):
    r"""Classifies an embedding by its inner products with the class vectors, multiplying the angle to its own class's.

    .. math::
        -\log \frac{e^{s \lVert x \rVert \lVert w_y \rVert \psi(\theta_y)}}
        {e^{s \lVert x \rVert \lVert w_y \rVert \psi(\theta_y)} + \sum_{j \ne y} e^{s\, x \cdot w_j}}
        \qquad \psi(\theta) = (-1)^k \cos(m \theta) - 2k, \quad \frac{k \pi}{m} \le \theta \le \frac{(k + 1) \pi}{m}

    where :math:`\theta_y` is the angle between the embedding x and the vector :math:`w_y` of its own class. One value
    an anchor, reduced by their mean.

    Liu, Wen, Yu, Yang, "Large-Margin Softmax Loss for Convolutional Neural Networks", ICML 2016.
    """

    margin: int = option(4, ge=1, doc="by which whole number the angle to the own class is multiplied; 1 is no margin")
    scale: float = option(1.0, gt=0, doc="what the products are multiplied by; larger is sharper")

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        embeddings, vectors = embeddings_and_vectors(batch.embeddings, batch.state)
        anchors, mine = self.scale * embeddings, own_rows(vectors, batch.labels)
        lengths, directions = lengths_and_directions(anchors)
        own_lengths, own_directions = lengths_and_directions(mine)
        cosines = ops.sum(directions * own_directions, axis=1)
        target = lengths * own_lengths * with_multiplied_angle(cosines, self.margin)
        own = ops.sum(anchors * mine, axis=1)
        return of_anchors(cross_entropy(products(anchors, vectors), batch.labels, own, target))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled inner products."""
        embeddings, vectors = embeddings_and_vectors(embeddings, state)
        return products(self.scale * embeddings, vectors)


def lengths_and_directions(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the length of each row, (n,), and the row divided by it, (n, d); both are 0 for a zero row."""
    from keras import ops

    # Squares of very large or very small entries leave the range of float32; those of parts of the largest do not.
    largest = ops.stop_gradient(ops.max(ops.abs(rows), axis=1, keepdims=True))
    largest = largest + ops.cast(ops.equal(largest, 0), largest.dtype)
    rows = rows / largest
    return safe_sqrt(ops.sum(ops.square(rows), axis=1)) * ops.squeeze(largest, axis=1), unit_rows(rows)


def with_multiplied_angle(cosines: Tensor, margin: int) -> Tensor:
    r"""Return :math:`\psi(\theta) = (-1)^k \cos(m \theta) - 2k`, which falls from 1 at 0 to 1 - 2m at 180 degrees.

    The cosine of the multiple is a polynomial in the cosine (a Chebyshev polynomial), so no angle has a gradient.
    """
    from keras import ops

    before, multiple = ops.ones_like(cosines), cosines
    for _ in range(margin - 1):
        before, multiple = multiple, 2 * cosines * multiple - before
    angles = ops.arccos(ops.clip(ops.stop_gradient(cosines), -1.0, 1.0))
    sector = ops.floor(angles * (margin / math.pi))
    sign = 1 - 2 * ops.mod(sector, 2)
    return sign * multiple - 2 * sector
