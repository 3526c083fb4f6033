"""Training on several devices: the loss of a batch is that of the whole batch, not of each device's part."""

from __future__ import annotations

from typing import Any

import keras

from simplug.api import Loss
from simplug.api.view_loss import halves


def whole_batch(loss: Loss, labels: Any, embeddings: Any) -> tuple[Any, Any]:
    """Return labels and embeddings of all replicas, within a step of ``tf.distribute``.

    Every replica gets the same rows and computes the same loss, so that pairs across replicas count.

    Args:
        loss: If it compares views, the rows are two views of the same examples, one after the other, and so is what is
            returned.
        labels: (n,), (n, 1) or (n, c) integers; None where there are none.
        embeddings: (n, d) of this replica; n may differ between replicas.
    """
    if replicas() == 1:
        return labels, embeddings
    import tensorflow as tf

    if tf.distribute.in_cross_replica_context():
        # Keras learns the form of a batch from the mean over the replicas, and so has labels that are no integers.
        return None if labels is None else keras.ops.cast(labels, "int64"), embeddings
    given = [column for column in (labels, embeddings) if column is not None]
    if loss.compares == "views":
        parts = zip(*(gathered(*part) for part in zip(*map(halves, given), strict=True)), strict=True)
        whole = [keras.ops.concatenate(views, axis=0) for views in parts]
    else:
        whole = gathered(*given)
    return None if labels is None else whole[0], whole[-1]


def gathered(*columns: Any) -> list[Any]:
    """Return tensors (n, ...) with the rows of all replicas, (N, ...), in the order of the replicas.

    Gradients flow back through it: each replica gets those of its own rows, summed over what all replicas made of them.
    With one replica, or with JAX or PyTorch, the tensors come back as they are.
    """
    if replicas() == 1:
        return list(columns)
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None:
        return list(columns)
    # One by one: together they would have to be of one dtype. What a step was given has no device, which all_gather
    # wants to know; a copy has.
    return [context.all_gather(tf.identity(column), axis=0) for column in columns]


def share_of_loss(loss: Any) -> Any:
    """Return this replica's share of a loss that all replicas computed of the whole batch.

    Keras sums the gradients of the replicas, and multiplies the loss that it shows by their number.
    """
    return loss if replicas() == 1 else loss / replicas()


def shown_by_all(results: dict[str, Any]) -> dict[str, Any]:
    """Return the values of metrics in the form whose mean over several processes Keras 3.15 can take.

    It takes the mean along the first axis, which a single number does not have.
    """
    if replicas() == 1:
        return results
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or tf.distribute.in_cross_replica_context():
        return results
    return {name: value[None] if value.shape.rank == 0 else value for name, value in results.items()}


def replicas() -> int:
    """Return how many replicas train together; 1 where ``tf.distribute`` has no part."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)
