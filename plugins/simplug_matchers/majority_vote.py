"""The match is the label that most neighbours have."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Matcher
from simplug_matchers.voting import elect


@attrs.frozen
class MajorityVote(Matcher):
    """Takes the label that most neighbours have, and the mean distance of the neighbours that have it.

    Among labels with as many votes, the one whose nearest neighbour is nearest wins. Places that no neighbour fills
    do not vote. The distance is that of the voters for the label alone, so far neighbours with other labels do not
    push a match beyond the cut point; TensorFlow Similarity takes the mean over all k neighbours.
    """

    def match(self, labels: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (q,) labels and (q,) mean distances from (q, k) labels and distances."""
        return elect(labels, distances, np.ones(labels.shape))
