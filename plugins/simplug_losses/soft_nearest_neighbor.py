"""The soft nearest neighbour loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor
from simplug_losses.nca import surprise


@attrs.frozen(kw_only=True)
class SoftNearestNeighbor(PairLoss):
    r"""Measures how entangled the classes are: how unlikely a random near neighbour is of the anchor's class.

    For each anchor with positives :math:`P`, and the temperature :math:`T`

    .. math::
        -\log \frac{\sum_{p \in P} e^{-d_{ap} / T}}{\sum_{j \neq a} e^{-d_{aj} / T}}

    where :math:`j` runs over positives and negatives. One value an anchor that has a positive; the default distance is
    the squared Euclidean distance, the default reducer averages. It is the loss ``nca`` under its later name, with a
    temperature in place of a scale.

    Frosst, Papernot, Hinton, "Analyzing and Improving Representations with the Soft Nearest Neighbor Loss", ICML 2019.
    """

    distance: Distance = component("distance", default="squared_euclidean", doc="how far two embeddings are apart")
    temperature: float = option(1.0, gt=0, doc="the difference of distances that counts e-fold")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        return {"anchors": surprise(distances * (-1 / self.temperature), pairs)}
