"""Masks over the pairs of a batch: the nearest and the farthest of each anchor, and pairs reduced to a mask."""

from __future__ import annotations

import attrs

from simplug.api import Pairs
from simplug.api.numerics import Tensor

BEYOND = 1e30
"""Stands for the distance of a pair that does not exist; finite, so that differences of it are numbers."""


def nearest(distances: Tensor, mask: Tensor) -> Tensor:
    """Return each row's smallest distance inside the mask, (n, 1); BEYOND where there is none."""
    from keras import ops

    return ops.min(ops.where(mask, distances, BEYOND), axis=1, keepdims=True)


def farthest(distances: Tensor, mask: Tensor) -> Tensor:
    """Return each row's largest distance inside the mask, (n, 1); minus BEYOND where there is none."""
    from keras import ops

    return ops.max(ops.where(mask, distances, -BEYOND), axis=1, keepdims=True)


def kept(pairs: Pairs, positive: Tensor, negative: Tensor) -> Pairs:
    """Return the pairs inside two masks (n, m), with their weights; what was no pair stays none."""
    from keras import ops

    return attrs.evolve(
        pairs,
        positive=ops.where(positive, pairs.positive, 0.0),
        negative=ops.where(negative, pairs.negative, 0.0),
    )
