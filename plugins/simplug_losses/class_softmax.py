"""The softmax over classes that the losses with class vectors share, and the embeddings' scores that it is taken of."""

from __future__ import annotations

from simplug.api import State, Term
from simplug.api.numerics import Tensor, as_float, unit_rows


def embeddings_and_vectors(embeddings: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """Return (n, d) embeddings and the class vectors in one dtype, float32 or float64: that of the embeddings."""
    from keras import ops

    embeddings = as_float(embeddings)
    return embeddings, ops.cast(state["weight"], embeddings.dtype)


def directions(embeddings: Tensor, state: State, scale: float | Tensor = 1.0) -> tuple[Tensor, Tensor]:
    """Return embeddings of length `scale` and class vectors of length 1; their products are scaled cosines."""
    embeddings, vectors = embeddings_and_vectors(embeddings, state)
    # The scale is applied to the embeddings, which are smaller than the products.
    return unit_rows(embeddings) * scale, unit_rows(vectors)


def products(anchors: Tensor, vectors: Tensor) -> Tensor:
    """Return the (n, c) inner products of (n, d) and (c, d)."""
    from keras import ops

    return ops.matmul(anchors, ops.transpose(vectors))


def own_rows(rows: Tensor, labels: Tensor) -> Tensor:
    """Return the (n, …) rows at the labels, which may be of any integer dtype."""
    from keras import ops

    return ops.take(rows, ops.cast(labels, "int32"), axis=0)


def own_products(anchors: Tensor, vectors: Tensor, labels: Tensor) -> Tensor:
    """Return the (n,) inner product of each anchor with the vector of its own class.

    It is worked out from the rows, not taken from the (n, c) products: the gradient of taking is an array of that
    size, almost all of it zeros.
    """
    from keras import ops

    return ops.sum(anchors * own_rows(vectors, labels), axis=1)


def without_own(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (n, c) logits, those at the labels so low that their exponentials are 0."""
    from keras import ops

    low = ops.full_like(logits[:, 0], -1e9)
    return logits + at_labels(low, labels, logits)


def vectors_of_rank(vectors: Tensor, per_class: int) -> list[Tensor]:
    """Return the first vector of every class, the second of every class and so on, each (num_classes, d)."""
    from keras import ops

    classes, dim = vectors.shape[0] // per_class, vectors.shape[1]
    return list(ops.unstack(ops.reshape(vectors, (classes, per_class, dim)), per_class, axis=1))


def at_labels(values: Tensor, labels: Tensor, like: Tensor) -> Tensor:
    """Return an array of the shape of `like` with (n,) values at the labels and zeros elsewhere."""
    from keras import ops

    rows = ops.arange(ops.shape(like)[0], dtype="int32")
    places = ops.stack([rows, ops.cast(labels, "int32")], axis=1)
    # An update, for ops.scatter is a loop in Python over the places on PyTorch.
    return ops.scatter_update(ops.zeros(ops.shape(like), dtype=like.dtype), places, values)


def cross_entropy(logits: Tensor, labels: Tensor, own: Tensor, target: Tensor | None = None) -> Tensor:
    """Return ``-log softmax`` of each row at its label, (n,), where `target` stands in the label's place.

    Args:
        logits: (n, c) logits of all classes, before any margin.
        labels: (n,) integers.
        own: (n,) the logits at the labels, worked out apart: the gradient that a label's logit has besides the
            softmax's goes through it, and so never through an array over all classes.
        target: (n,) what stands in their place; None leaves them.
    """
    from keras import ops

    if target is not None:
        logits = logits + ops.stop_gradient(at_labels(target - own, labels, logits))
    else:
        target = own
    top = ops.stop_gradient(ops.max(logits, axis=1, keepdims=True))
    total = ops.sum(ops.exp(logits - top), axis=1)
    at_label = ops.take_along_axis(ops.stop_gradient(logits), ops.expand_dims(ops.cast(labels, "int32"), 1), axis=1)
    values = ops.log(total) + ops.squeeze(top - at_label, axis=1)
    # So far a step of `own` moves the value by the target's share of the softmax. It should be a step of `target`
    # that does, and that moves the value down by 1 besides.
    share = ops.stop_gradient(ops.exp(-values))
    pull = (share - 1) * target - share * own
    return values + (pull - ops.stop_gradient(pull))


def of_anchors(values: Tensor) -> dict[str, Term]:
    """Return one value an anchor as the terms of a loss."""
    from keras import ops

    return {"anchors": Term(values, ops.ones_like(values))}
