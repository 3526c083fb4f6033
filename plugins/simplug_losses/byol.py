"""The BYOL loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Predictor, Projector, ViewLoss, ViewNetwork
from simplug.api.numerics import Tensor, unit_rows


@attrs.frozen(kw_only=True)
class Byol(ViewLoss):
    r"""Turns the online network's prediction of one view toward the target network's projection of the other.

    The first view is the prediction q, the second the target's projection z, through which no gradient flows. The mean
    over the examples of the squared distance between the two, each divided by its norm:

    .. math:: \lVert \bar q - \bar z \rVert^2 = 2 - 2 \cos(q, \mathrm{stopgrad}(z))

    from 0 to 4. The paper's loss is symmetric: a model calls it twice and adds,
    ``loss(None, q1, None, z2) + loss(None, q2, None, z1)``. A zero vector has cosine 0 to everything.

    Grill et al., "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning", NeurIPS 2020.
    """

    @property
    def view_network(self) -> ViewNetwork:
        """The paper's, with a quarter of its width, and a copy that moves faster, for trainings of some 1,000 steps."""
        projector = Projector(layers=2, width=1024, dim=256)
        return ViewNetwork(
            projector=projector, predictor=Predictor(layers=2, width=1024), momentum=0.99, direction_weight=1.0
        )

    def between(self, first: Tensor, second: Tensor, batch: Batch) -> Tensor:
        """Return the mean over the examples; `first` are predictions, `second` the target's projections."""
        from keras import ops

        return 2 - 2 * ops.mean(ops.sum(unit_rows(first) * ops.stop_gradient(unit_rows(second)), axis=1))
