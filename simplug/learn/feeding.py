"""Batches of a sampler as Keras wants them."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from simplug.api import Batches, Inputs, InvalidInputError, ListeningBatches


class FedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of a sampler as a Keras data set; works with any number of workers.

    Args:
        batches: The batches.
        workers: Threads that prepare batches while the model trains. With fewer than 2, Keras leaves that to a tf.data
            pipeline that tunes itself, and TensorFlow 2.21 then waits for its tuning thread, for up to tens of seconds,
            whenever an epoch ends.
        embed: Inputs to (b, d) embeddings, by the model that is trained; for batches that depend on it.
        epoch: The epoch to begin with, counted from 0.
        step: The step of that epoch to begin with; an epoch that is begun in the middle is shorter. Keras asks for the
            length of an epoch once, so the rest of such an epoch is a ``fit`` of its own.

    Raises:
        InvalidInputError: The batches depend on the model, and `embed` is missing; or there is no such step.
    """

    def __init__(
        self,
        batches: Batches,
        *,
        workers: int = 2,
        embed: Callable[[Inputs], np.ndarray] | None = None,
        epoch: int = 0,
        step: int = 0,
    ) -> None:
        super().__init__(workers=workers, use_multiprocessing=False, max_queue_size=8)
        if isinstance(batches, ListeningBatches) and embed is None:
            raise InvalidInputError("these batches depend on what the model takes for what; pass embed=model.embed")
        if not 0 <= step < len(batches):
            raise InvalidInputError(f"step is {step}, and the steps of an epoch go from 0 to {len(batches) - 1}")
        self._batches = batches
        self._embed = embed
        self._epoch, self._step = epoch, step
        self._fresh, self._begun = True, False
        batches.start_epoch(epoch)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self._batches) - self._step

    def __getitem__(self, step: int) -> tuple[Inputs, np.ndarray]:
        """Return inputs and labels of a batch."""
        return self._batches[self._step + step]

    def on_epoch_begin(self) -> None:
        """Note that an epoch is under way."""
        self._begun = True

    def on_epoch_end(self) -> None:
        """Move to the next epoch; Keras also calls it before the first one, which stays."""
        # Before the first epoch Keras may also begin one, to look at a batch and give up the rest.
        before_training = self._fresh or not self._begun
        self._fresh = self._begun = False
        if before_training:
            return
        self._epoch, self._step = self._epoch + 1, 0
        if isinstance(self._batches, ListeningBatches) and self._embed is not None:
            self._batches.hear(self._embed)
        self._batches.start_epoch(self._epoch)
