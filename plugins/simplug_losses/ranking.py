"""What the losses over smooth ranks share: who is ranked, and by how much one stands before another."""

from __future__ import annotations

from simplug.api import Batch, Pairs
from simplug.api.numerics import Tensor

_BEYOND = 1e30
"""The place of what is not ranked: behind everything, by any temperature."""


def ranked_positives(pairs: Pairs, batch: Batch) -> Tensor:
    """Return 1 for each positive of an anchor, (n, m); an anchor that is its own reference counts among them."""
    from keras import ops

    positive = ops.cast(pairs.positive > 0, pairs.positive.dtype)
    if batch.own:
        positive = positive + ops.eye(ops.shape(positive)[0], dtype=positive.dtype)
    return positive


def places_of(distances: Tensor, ranked: Tensor, temperature: float) -> Tensor:
    """Return the distances over the temperature, and what is not ranked behind everything, (n, m), without gradient.

    Args:
        distances: (n, m).
        ranked: (n, m), 1 for what is ranked and 0 for what is not.
        temperature: The width of the sigmoid that stands for a step.
    """
    from keras import ops

    return ops.stop_gradient(distances) / temperature + (_BEYOND - _BEYOND * ranked)


def nearer(places: Tensor, positive_places: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much each reference stands before each positive, from 0 to 1, and the slope of that, (n, width, m).

    Args:
        places: (n, m) from :func:`places_of`.
        positive_places: (n, width), distances of positives over the temperature.
    """
    from keras import ops

    steps = ops.sigmoid(ops.expand_dims(positive_places, 2) - ops.expand_dims(places, 1))
    return steps, steps - ops.square(steps)
