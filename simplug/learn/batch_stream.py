"""The batches of a sampler as a ``tf.data.Dataset``, for training loops of one's own."""

from __future__ import annotations

import copy
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from simplug.api import Batches, Inputs, InvalidInputError, ListeningBatches

if TYPE_CHECKING:
    import tensorflow as tf

_AHEAD = 8
"""How many batches are prepared before they are asked for."""


def batch_stream(
    batches: Batches, *, epochs: int | None = None, epoch: int = 0, step: int = 0, workers: int = 2
) -> tf.data.Dataset:
    """Return the batches of a sampler as a ``tf.data.Dataset`` of inputs and labels.

    Each iteration begins anew at the given epoch and step and gives the same batches in the same order. Shapes are
    known, the batch axis included.

    Args:
        batches: The batches.
        epochs: How many epochs there are, the one that is begun included; None goes on for ever.
        epoch: The epoch to begin with, counted from 0.
        step: The step of that epoch to begin with: a training goes on where it was broken off.
        workers: Threads that prepare batches ahead.

    Returns:
        A dataset of inputs, an array (b, ...) or a dict of them, and int64 labels (b,).

    Raises:
        InvalidInputError: The batches depend on the model, or there is no such epoch, step or number of workers.
    """
    import tensorflow as tf

    if isinstance(batches, ListeningBatches):
        raise InvalidInputError("these batches depend on the model that is trained; give fit a simplug.FedBatches")
    for name, value, least in (("epochs", 1 if epochs is None else epochs, 1), ("workers", workers, 1)):
        if value < least:
            raise InvalidInputError(f"{name} must be at least {least}, not {value}")
    if not 0 <= step < len(batches):
        raise InvalidInputError(f"step is {step}, and the steps of an epoch go from 0 to {len(batches) - 1}")
    first = copy.copy(batches)
    first.start_epoch(epoch)
    form = tf.nest.map_structure(lambda column: tf.TensorSpec(column.shape, column.dtype), first[step])

    def generate() -> Iterator[tuple[Inputs, np.ndarray]]:
        # A copy, since another iteration may be in another epoch.
        own = copy.copy(batches)
        for number in itertools.count(epoch) if epochs is None else range(epoch, epoch + epochs):
            own.start_epoch(number)
            yield from _in_order(own, range(step if number == epoch else 0, len(own)), workers)

    count = tf.data.INFINITE_CARDINALITY if epochs is None else epochs * len(batches) - step
    dataset = tf.data.Dataset.from_generator(generate, output_signature=form)
    return with_plain_options(dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(1))


def with_plain_options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return a dataset that keeps its order and tunes nothing: its batches come ready from Python."""
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    return dataset.with_options(options)


def _in_order(batches: Batches, steps: Iterable[int], workers: int) -> Iterator[Any]:
    """Give batches in the order of their steps, prepared by several threads."""
    pool = ThreadPoolExecutor(workers)
    try:
        waiting: deque[Any] = deque()
        for step in steps:
            waiting.append(pool.submit(batches.__getitem__, step))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
