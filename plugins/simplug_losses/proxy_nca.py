"""The Proxy-NCA loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, ClassLoss, State, Term, option
from simplug.api.numerics import Tensor
from simplug_losses.class_softmax import cross_entropy, directions, of_anchors, own_products, products


@attrs.frozen(kw_only=True)
class ProxyNca(ClassLoss):
    r"""Neighbourhood component analysis in which one learned proxy stands for the examples of each class.

    .. math:: -\log \frac{e^{-s \lVert x - p_{y} \rVert^2}}{\sum_j e^{-s \lVert x - p_j \rVert^2}}

    where the embedding x and the proxies :math:`p_j` have length 1, and y is the class of x. The sum goes over all
    classes, so that a value is never negative; in the paper it leaves y out. One value an anchor, reduced by their
    mean. The presets are the settings that "A Metric Learning Reality Check" (Musgrave, Belongie, Lim, ECCV 2020) found
    on three data sets.

    Movshovitz-Attias, Toshev, Leung, Ioffe, Singh, "No Fuss Distance Metric Learning using Proxies", ICCV 2017.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"scale": 13.98},
        "cars": {"scale": 7.97},
        "sop": {"scale": 10.73},
    }
    scale: float = option(1.0, gt=0, doc="what the squared distances are multiplied by; larger is sharper")

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        # Between vectors of length 1 the squared distance is 2 - 2 cos, and a softmax does not see the 2.
        anchors, vectors = directions(batch.embeddings, batch.state, 2 * self.scale)
        own = own_products(anchors, vectors, batch.labels)
        return of_anchors(cross_entropy(products(anchors, vectors), batch.labels, own))

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) scaled squared distances to the proxies, negative."""
        return products(*directions(embeddings, state, 2 * self.scale)) - 2 * self.scale
