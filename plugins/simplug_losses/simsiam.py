"""The SimSiam loss."""

from __future__ import annotations

import math
from typing import Literal

import attrs

from simplug.api import Batch, Predictor, Projector, ViewLoss, ViewNetwork, option
from simplug.api.numerics import Tensor, safe_sqrt, unit_rows


@attrs.frozen(kw_only=True)
class SimSiam(ViewLoss):
    r"""Turns the prediction of one view toward the projection of the other, which is held still.

    The first view is the predictor's output p, the second the projector's output z of the other view, through which no
    gradient flows. With the cosine :math:`c = \cos(p, \mathrm{stopgrad}(z))`, the mean over the examples of

    .. math:: -c, \qquad 1 - c \qquad\text{or}\qquad \arccos(c) / \pi

    by the option `projection`; the paper's is the first. The paper's loss is symmetric: a model calls it twice,
    ``loss(None, p1, None, z2) / 2 + loss(None, p2, None, z1) / 2``. (TensorFlow Similarity has the half, and an added
    0.001, inside its loss: its value is ``0.5 x this + 0.001``.) A zero vector has cosine 0 to everything.

    Chen, He, "Exploring Simple Siamese Representation Learning", CVPR 2021.
    """

    projection: Literal["negative_cosine", "cosine_distance", "angular_distance"] = option(
        "negative_cosine",
        choices=("negative_cosine", "cosine_distance", "angular_distance"),
        doc="how the two are compared: minus their cosine; 1 minus it; or their angle, as a part of 180 degrees",
    )

    @property
    def view_network(self) -> ViewNetwork:
        """The paper's, with a quarter of its width: the predictor is a bottleneck, projections are batch-normalised."""
        projector = Projector(layers=3, width=512, dim=512, output_batch_norm=True)
        return ViewNetwork(projector=projector, predictor=Predictor(layers=2, width=128), direction_weight=0.5)

    def between(self, first: Tensor, second: Tensor, batch: Batch) -> Tensor:
        """Return the mean over the examples; `first` are predictions, `second` projections."""
        from keras import ops

        predicted, held = unit_rows(first), ops.stop_gradient(unit_rows(second))
        if self.projection == "angular_distance":
            return ops.mean(_angle(predicted, held)) / math.pi
        cosine = ops.mean(ops.sum(predicted * held, axis=1))
        return 1 - cosine if self.projection == "cosine_distance" else -cosine


def _angle(first: Tensor, second: Tensor) -> Tensor:
    """Return the angle in radians between unit rows, with gradient 0 where it is 0."""
    from keras import ops

    # The arc cosine has an infinite slope at equal rows; the half angle has this tangent and no such place.
    across = safe_sqrt(ops.sum(ops.square(first - second), axis=1))
    along = safe_sqrt(ops.sum(ops.square(first + second), axis=1))
    both_zero = ops.cast(ops.equal(across + along, 0), across.dtype)
    return 2 * ops.arctan2(across + both_zero, along + both_zero)
