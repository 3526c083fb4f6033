"""The softmax whose target is the diagonal: the example in each row is alike to the one in the column of its number."""

from __future__ import annotations

from simplug.api.numerics import Tensor, with_gradient


def diagonal_surprise(values: Tensor, scale: float) -> Tensor:
    """Return minus the logarithm of what the softmax of each row gives to the diagonal, (n,).

    Args:
        values: (n, n), finite.
        scale: What they are multiplied by to give the logits; below 0 for distances.
    """
    from keras import ops

    rows = ops.arange(ops.shape(values)[0])
    logits = scale * ops.stop_gradient(values)
    top = ops.max(logits, axis=1, keepdims=True)
    parts = ops.exp(logits - top)
    total = ops.sum(parts, axis=1, keepdims=True)
    surprise = ops.squeeze(ops.log(total) + top, axis=1) - ops.diagonal(logits)

    def pull(upstream: Tensor) -> Tensor:
        # A comparison, for a matrix that is built from its diagonal costs as much as a matrix product.
        target = ops.cast(ops.equal(ops.expand_dims(rows, 1), ops.expand_dims(rows, 0)), logits.dtype)
        slope = ops.expand_dims(scale * upstream, 1)
        return parts * (slope / total) - target * slope

    return with_gradient(surprise, values, pull)
