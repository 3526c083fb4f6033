"""Which pairs of a batch are alike and which differ, as weights of fixed shape; and values waiting to be reduced."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np

from simplug.api.numerics import Tensor

Comparison = Literal["equal", "shared", "jaccard", "hierarchy"]
"""How two labels are compared: see :meth:`Pairs.from_labels`."""

COMPARISONS: tuple[Comparison, ...] = ("equal", "shared", "jaccard", "hierarchy")


def _tensor(values: Tensor) -> Tensor:
    """Return an array of NumPy as a tensor, which not every backend does by itself; anything else as it is."""
    if not isinstance(values, np.ndarray):
        return values
    from keras import ops

    return ops.convert_to_tensor(values)


@attrs.frozen(eq=False)
class Pairs:
    """The relation between anchors (rows) and references (columns).

    Weights, not lists of indices: the shape does not depend on the data, so one program serves graph mode, XLA and
    every backend. No pair is positive and negative at once.

    Attributes:
        positive: (n, m); how much each pair counts as alike; 0 means it is not such a pair.
        negative: (n, m); the same for pairs that differ.
        band: The triplets that a loss over triplets may learn from, as ``(low, high)``: those with
            ``low < d_an - d_ap <= high``, in units of the distance; None means all. Losses over pairs have no use for
            it.
    """

    positive: Tensor = attrs.field(converter=_tensor)
    negative: Tensor = attrs.field(converter=_tensor)
    band: tuple[float, float] | None = None

    @classmethod
    def from_labels(
        cls, labels: Tensor, ref_labels: Tensor | None, dtype: str, comparison: Comparison = "equal"
    ) -> Pairs:
        """Pair every anchor with every reference.

        Args:
            labels: Integer labels of the anchors: (n,) for ``equal``, (n, c) for the others.
            ref_labels: Those of the references, (m,) or (m, c); None when the anchors are their own references, and
                then an anchor makes no pair with itself.
            dtype: The dtype of the weights.
            comparison: ``equal``: alike when the labels are equal. ``shared``: labels are rows of 0 and 1, one column
                a class; alike when they share a class. ``jaccard``: the same rows; alike by the number of shared
                classes over the number of classes of either. ``hierarchy``: labels are rows from the widest class to
                the narrowest; alike by the part of the levels, from the widest on, that agree. What is not alike at
                all differs.
        """
        from keras import ops

        own = ref_labels is None
        ref_labels = labels if own else ref_labels
        if comparison == "equal":
            # Truth values are a quarter of the size of weights, so they are combined before they become weights.
            same = ops.equal(ops.expand_dims(labels, 1), ops.expand_dims(ref_labels, 0))
            alike = ops.logical_and(same, _others(labels)) if own else same
            return cls(ops.cast(alike, dtype), ops.cast(ops.logical_not(same), dtype))
        alike = _alike(labels, ref_labels, dtype, comparison)
        negative = ops.cast(ops.equal(alike, 0), dtype)
        if own:
            # An example without any class is not even alike to itself.
            others = ops.cast(_others(labels), dtype)
            alike, negative = alike * others, negative * others
        return cls(alike, negative)


def _others(labels: Tensor) -> Tensor:
    """Return where anchor and reference are two examples, (n, n)."""
    from keras import ops

    rows = ops.arange(ops.shape(labels)[0])
    return ops.not_equal(ops.expand_dims(rows, 1), ops.expand_dims(rows, 0))


def _alike(labels: Tensor, ref_labels: Tensor, dtype: str, comparison: Comparison) -> Tensor:
    """Return how alike rows of labels are, from 0 to 1, (n, m)."""
    from keras import ops

    if comparison == "hierarchy":
        levels = ops.equal(ops.expand_dims(labels, 1), ops.expand_dims(ref_labels, 0))
        # A level counts only while every wider one agrees.
        return ops.mean(ops.cumprod(ops.cast(levels, dtype), axis=2), axis=2)
    rows, columns = ops.cast(labels > 0, dtype), ops.cast(ref_labels > 0, dtype)
    shared = ops.matmul(rows, ops.transpose(columns))
    if comparison == "shared":
        return ops.cast(shared > 0, dtype)
    either = ops.sum(rows, axis=1, keepdims=True) + ops.expand_dims(ops.sum(columns, axis=1), 0) - shared
    return shared / ops.maximum(either, 1)


@attrs.frozen(eq=False)
class Term:
    """One part of a loss before reduction.

    Attributes:
        values: The value of each element. Its shape says what an element is: (n, m) a pair (or the mean over the
            triplets of a pair), (n,) an anchor, () the whole batch; (c,) a class if `by_class`. In a row of a (n, m)
            term the pairs of an anchor may stand in any order.
        weights: How many losses each element stands for, or how much it counts; 0 leaves it out. Same shape.
        active: How many of these losses are above zero; None where an element is one loss, and then it is its
            weight where the value is above zero.
        divisor: What the paper divides the weighted sum by, a scalar; None where it is the sum of the weights.
        by_class: The elements are classes, not anchors.
    """

    values: Tensor = attrs.field(converter=_tensor)
    weights: Tensor = attrs.field(converter=_tensor)
    active: Tensor | None = attrs.field(default=None, converter=_tensor)
    divisor: Tensor | None = attrs.field(default=None, converter=_tensor)
    by_class: bool = False
