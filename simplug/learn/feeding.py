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

    Raises:
        InvalidInputError: The batches depend on the model, and `embed` is missing.
    """

    def __init__(
        self, batches: Batches, *, workers: int = 2, embed: Callable[[Inputs], np.ndarray] | None = None
    ) -> None:
        super().__init__(workers=workers, use_multiprocessing=False, max_queue_size=8)
        if isinstance(batches, ListeningBatches) and embed is None:
            raise InvalidInputError("these batches depend on what the model takes for what; pass embed=model.embed")
        self._batches = batches
        self._embed = embed
        self._epoch = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self._batches)

    def __getitem__(self, step: int) -> tuple[Inputs, np.ndarray]:
        """Return inputs and labels of a batch."""
        return self._batches[step]

    def on_epoch_end(self) -> None:
        """Move to the next epoch."""
        self._epoch += 1
        if isinstance(self._batches, ListeningBatches) and self._embed is not None:
            self._batches.hear(self._embed)
        self._batches.start_epoch(self._epoch)
