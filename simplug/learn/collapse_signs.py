"""Numbers that tell whether a training has collapsed, from the embeddings of a few examples."""

from __future__ import annotations

import math

import attrs
import numpy as np

from simplug.api import InvalidInputError, Loss, PairSummary
from simplug.api.pair_counts import Distances
from simplug.kernel.component import fields_of
from simplug.kernel.registry import REGISTRIES

LOGS = ("embedding_spread", "effective_rank", "projection_spread", "active_triplets")
"""What a watch for collapse writes into the logs of an epoch, as far as there is such a number."""

_NO_PAIRS = PairSummary(*(Distances(0, math.nan, math.nan, math.nan),) * 2)

_SAME = 1e-3
"""The relative difference up to which two losses are one value."""


def space_of(embeddings: np.ndarray) -> dict[str, float]:
    """Return how the space of (n, d) embeddings looks: ``embedding_spread`` and ``effective_rank``."""
    build = REGISTRIES["metric"].build
    return {name: float(build(name).score(embeddings, _NO_PAIRS)) for name in ("embedding_spread", "effective_rank")}


def active_triplets(distances: np.ndarray, labels: np.ndarray, margin: float) -> float | None:
    """Return the share of triplets whose negative is not farther than the positive by the margin.

    Args:
        distances: (n, n) of examples from each other, each of them an anchor.
        labels: (n,) integers.
        margin: In units of the distance.

    Returns:
        A number from 0 to 1; None where there is no triplet.
    """
    active = every = 0
    for anchor, row in enumerate(distances):
        positive = labels == labels[anchor]
        negatives = np.sort(row[~positive])
        positive[anchor] = False
        active += int(np.searchsorted(negatives, row[positive] + margin).sum())
        every += int(np.count_nonzero(positive)) * len(negatives)
    return active / every if every else None


@attrs.frozen
class CollapsedLoss:
    """What a loss with a margin is when all embeddings are the same.

    Attributes:
        value: The loss; None where it depends on the batch, is 0, or the loss has no margin.
        margin: By how much a negative of a triplet must be farther to cost nothing, in units of the distance; 0 where
            the loss has no such margin.
    """

    value: float | None
    margin: float

    @classmethod
    def of(cls, loss: Loss | None, dim: int) -> CollapsedLoss:
        """Ask a loss what it is for embeddings of dimension `dim` that are all the same, in two batches.

        A hinge over triplets then is its margin, a soft one the logarithm of 1 plus the exponential of its margin,
        which is log 2 without one.
        """
        if loss is None or not any("margin" in field.name for field in fields_of(type(loss))):
            return cls(None, 0.0)
        values = [_of_equal_embeddings(loss, classes, each, dim) for classes, each in ((4, 2), (3, 4))]
        first, second = values
        if first is None or second is None or first <= 0 or not math.isclose(first, second, rel_tol=_SAME):
            return cls(None, 0.0)
        margin = getattr(loss, "margin", None)
        is_of_triplets = isinstance(margin, int | float) and any(
            math.isclose(first, one, rel_tol=_SAME) for one in (margin, math.log1p(math.exp(min(margin, 50.0))))
        )
        return cls(first, float(margin) if is_of_triplets and margin is not None else 0.0)


def _of_equal_embeddings(loss: Loss, classes: int, each: int, dim: int) -> float | None:
    """Return the loss of a batch in one place; None where it cannot be told."""
    from keras import ops

    if loss.compares != "pairs" or loss.label_rank != 1 or loss.state(dim):
        return None
    labels = np.repeat(np.arange(classes, dtype=np.int32), each)
    try:
        value = np.asarray(ops.convert_to_numpy(loss(labels, np.eye(1, dim, dtype=np.float32).repeat(len(labels), 0))))
    except InvalidInputError:
        return None
    return float(value) if value.ndim == 0 and np.isfinite(value) else None
