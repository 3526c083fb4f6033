"""One triplet of each anchor: its nearest or farthest positive and negative."""

from __future__ import annotations

from typing import Literal

import attrs

from simplug.api import Pairs
from simplug.api.numerics import Tensor
from simplug.api.positives import entries

FAR = 1e30
"""Farther than any distance, and still finite."""


@attrs.frozen(eq=False)
class OneTriplet:
    """A positive and a negative of each anchor.

    Attributes:
        positive: The column of the positive, (n, 1).
        negative: The column of the negative, (n, 1).
        weight: The product of the weights of the two pairs, (n,); 0 where the anchor has no such triplet.
    """

    positive: Tensor
    negative: Tensor
    weight: Tensor


def one_triplet(
    distances: Tensor,
    pairs: Pairs,
    positive: Literal["easy", "hard"],
    negative: Literal["easy", "semi_hard", "hard"],
) -> OneTriplet:
    """Choose a triplet for each anchor.

    Args:
        distances: (n, m).
        pairs: The positives and negatives to choose from; of triplets outside their band the weight is 0.
        positive: The nearest positive or the farthest one.
        negative: ``easy``: the farthest; ``hard``: the nearest; ``semi_hard``: the nearest that is farther than every
            positive, and the farthest where there is none.
    """
    from keras import ops

    distances = ops.stop_gradient(distances)
    near = nearest if positive == "easy" else farthest
    chosen = near(distances, pairs.positive)
    other = nearest(distances, pairs.negative) if negative == "hard" else farthest(distances, pairs.negative)
    if negative == "semi_hard":
        most = ops.max(ops.where(pairs.positive > 0, distances, -FAR), axis=1, keepdims=True)
        beyond = pairs.negative * ops.cast(distances > most, pairs.negative.dtype)
        closest = nearest(distances, beyond)
        other = ops.where(entries(beyond, closest) > 0, closest, other)
    weight = entries(pairs.positive, chosen) * entries(pairs.negative, other)
    if pairs.band is not None:
        low, high = pairs.band
        gap = entries(distances, other) - entries(distances, chosen)
        weight = weight * ops.cast((gap > low) & (gap <= high), weight.dtype)
    return OneTriplet(chosen, other, ops.squeeze(ops.stop_gradient(weight), 1))


def nearest(distances: Tensor, weights: Tensor) -> Tensor:
    """Return the column of the smallest distance in each row where the weight is not 0, (n, 1); 0 without any."""
    from keras import ops

    column = ops.argmin(ops.where(weights > 0, distances, FAR), axis=1)
    return ops.cast(ops.expand_dims(column, 1), "int32")


def farthest(distances: Tensor, weights: Tensor) -> Tensor:
    """Return the column of the largest distance in each row where the weight is not 0, (n, 1); 0 without any."""
    from keras import ops

    column = ops.argmax(ops.where(weights > 0, distances, -FAR), axis=1)
    return ops.cast(ops.expand_dims(column, 1), "int32")
