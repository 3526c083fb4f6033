"""Which pairs of a batch are alike and which differ, as weights of fixed shape; and values waiting to be reduced."""

from __future__ import annotations

import attrs

from simplug.api.numerics import Tensor


@attrs.frozen(eq=False)
class Pairs:
    """The relation between anchors (rows) and references (columns).

    Weights, not lists of indices: the shape does not depend on the data, so one program serves graph mode, XLA and
    every backend.

    Attributes:
        positive: (n, m); how much each pair counts as alike; 0 means it is not such a pair.
        negative: (n, m); the same for pairs that differ.
    """

    positive: Tensor
    negative: Tensor

    @classmethod
    def from_labels(cls, labels: Tensor, ref_labels: Tensor | None, dtype: str) -> Pairs:
        """Pair every anchor with every reference: alike when the labels are equal.

        Args:
            labels: (n,) integer labels of the anchors.
            ref_labels: (m,) labels of the references; None when the anchors are their own references, and then an
                anchor makes no pair with itself.
            dtype: The dtype of the weights.
        """
        from keras import ops

        own = ref_labels is None
        columns = labels if own else ref_labels
        same = ops.cast(ops.equal(ops.expand_dims(labels, 1), ops.expand_dims(columns, 0)), dtype)
        negative = 1 - same
        if own:
            rows = ops.arange(ops.shape(labels)[0])
            itself = ops.cast(ops.equal(ops.expand_dims(rows, 1), ops.expand_dims(rows, 0)), dtype)
            same = same * (1 - itself)
        return cls(same, negative)


@attrs.frozen(eq=False)
class Term:
    """One part of a loss before reduction.

    Attributes:
        values: The value of each element: a pair, an anchor, a class, or the mean over the triplets of a pair.
        weights: How many losses each element stands for, or how much it counts; 0 leaves it out. Same shape.
        active: How many of these losses are above zero; None where an element is one loss, and then it is its
            weight where the value is above zero.
    """

    values: Tensor
    weights: Tensor
    active: Tensor | None = None
