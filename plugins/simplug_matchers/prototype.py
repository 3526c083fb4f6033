"""The match is the class whose mean is nearest."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np

from simplug.api import Matcher


@attrs.frozen
class Prototype(Matcher):
    r"""Takes the class with the nearest mean, and the distance to that mean.

    A class is represented by the mean of the embeddings of its records, its prototype, so the gallery has one entry a
    class, whatever its size:

    .. math:: c_y = \frac{1}{|S_y|} \sum_{x \in S_y} f(x)

    It suits few examples a class, whose mean is less noisy than each of them, and classes of one cluster. Embeddings
    are averaged as the distance prepares them: for ``cosine`` each counts by its direction, whatever its length. With
    more than one neighbour the nearest prototype still decides alone.

    Snell, Swersky, Zemel, "Prototypical Networks for Few-shot Learning", NeurIPS 2017; there the distance is the
    squared Euclidean one, of which the mean is the point with the least sum to all of its class.
    """

    def condense(self, labels: np.ndarray, embeddings: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the (c,) classes, ascending, and their (c, d) means, summed in float64."""
        classes, members = np.unique(labels, return_inverse=True)
        sums = np.empty((0, 0))
        start = 0
        for block in embeddings:
            if start == 0:
                sums = np.zeros((len(classes), block.shape[1]))
            of_block = members[start : start + len(block)]
            order = np.argsort(of_block, kind="stable")
            present, first = np.unique(of_block[order], return_index=True)
            sums[present] += np.add.reduceat(block[order].astype(np.float64), first)
            start += len(block)
        return classes, (sums / np.bincount(members)[:, None]).astype(np.float32)

    def match(self, labels: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first column of (q, k) classes and of (q, k) distances to their prototypes."""
        return labels[:, 0].astype(np.int64), distances[:, 0].astype(np.float64)
