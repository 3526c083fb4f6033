"""The pairs that are in at least one triplet of a kind, without an array over all triplets."""

from __future__ import annotations

from collections.abc import Callable

from simplug.api.numerics import Tensor
from simplug.api.positives import OF_TRIPLETS, at_once, fold_positives


def of_triplets(positive: Tensor, chosen: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the masks, (n, m), of the positives and the negatives that are in a chosen triplet.

    Args:
        positive: (n, m) weights; not 0 where column j is a positive of anchor i.
        chosen: Called with the columns of some positives of each anchor, (n, w), and whether they are there, as
            :func:`simplug.api.positives.fold_positives` does; returns which columns make a chosen triplet with each,
            (n, w, m), none for what is not there.
    """
    from keras import ops

    n, m = ops.shape(positive)
    first = ops.expand_dims(m * ops.arange(n, dtype="int32"), 1)

    def step(column: Tensor, present: Tensor, carry: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        positives, negatives = carry
        inside = chosen(column, present)
        # The place behind the last is for what belongs nowhere.
        place = ops.where(ops.any(inside, axis=2), column + first, n * m)
        positives = ops.scatter_update(positives, ops.reshape(place, (-1, 1)), ops.ones_like(ops.reshape(place, (-1,))))
        return positives, negatives | ops.any(inside, axis=1)

    start = ops.zeros((n * m + 1,), "int32"), ops.zeros_like(positive, dtype="bool")
    positives, negatives = fold_positives(positive, step, start, at_once(positive, OF_TRIPLETS))
    return ops.reshape(positives[:-1], (n, m)) > 0, negatives
