"""The match is the label that near neighbours have, the nearer the more."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Matcher, option
from simplug_matchers.voting import elect


@attrs.frozen
class DistanceWeightedVote(Matcher):
    r"""Takes the label with the largest sum of weights, and the weighted mean distance of the neighbours that have it.

    A neighbour at distance :math:`d` weighs its inverse, which is kept finite by a part of the mean distance of the
    query's neighbours:

    .. math:: w(d) = \frac{1}{d + s \bar{d}}

    So the unit of the distance makes no difference, and a neighbour at distance 0 weighs :math:`1 + 1/s` times as much
    as one at the mean distance: enough to outvote the others of a usual k, and not so much that one copy with a wrong
    label decides among near neighbours of the right one. Large :math:`s` leads to ``majority_vote``; a small one to
    plain inverse distances, as scikit-learn's ``weights="distance"``.

    Where a distance is negative, as that of ``inner_product`` may be, all are measured from the query's nearest
    neighbour. Among labels with equal sums, the one whose nearest neighbour is nearest wins. Places that no neighbour
    fills do not vote.

    Dudani, "The Distance-Weighted k-Nearest-Neighbor Rule", IEEE Transactions on Systems, Man, and Cybernetics 1976.
    """

    smoothing: float = option(
        0.1, gt=0, doc="the part of the mean distance that is added to each distance before it is inverted"
    )

    def match(self, labels: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (q,) labels and (q,) weighted mean distances from (q, k) labels and distances."""
        return elect(labels, distances, self._weights(distances.astype(np.float64)))

    def _weights(self, distances: np.ndarray) -> np.ndarray:
        """Return (q, k) weights times the mean distance of each query, which every vote of a query has alike."""
        filled = np.isfinite(distances)
        from_here = np.minimum(distances.min(axis=1, keepdims=True, initial=0.0), 0.0)
        away = np.where(filled, distances - from_here, 0.0)
        mean = away.sum(axis=1, keepdims=True) / np.maximum(filled.sum(axis=1, keepdims=True), 1)
        parts = np.divide(away, mean, out=np.zeros_like(away), where=mean > 0)
        weights: np.ndarray = 1 / (parts + self.smoothing)
        return weights
