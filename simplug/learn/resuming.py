"""A ``fit`` that writes checkpoints and goes on from one, to the result that it would have had undisturbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import keras

from simplug.api import Batches, ListeningBatches
from simplug.learn.checkpoint import Checkpoint, Resumable, State, arrays_of, assign, write_checkpoint
from simplug.learn.feeding import FedBatches

_BATCHES, _METRICS = "batches", "metrics"
"""Parts of a checkpoint that are not restored when a training begins, but before its data, or within its epoch."""


@attrs.frozen(eq=False)
class Checkpoints:
    """Where the checkpoints of a training go, and the one that it goes on from.

    Attributes:
        folder: The folder; only the newest checkpoint stays in it.
        every_steps: Steps between checkpoints within an epoch; 0 writes them at the end of epochs alone.
        made_by: Plain values that tell what training it is.
        start: Where the training goes on; None begins it.
    """

    folder: Path
    every_steps: int = 0
    made_by: Mapping[str, Any] = attrs.field(factory=dict)
    start: Checkpoint | None = None


def fit(
    model: keras.Model,
    batches: Batches,
    *,
    epochs: int,
    workers: int,
    embed: Callable[[Any], Any],
    callbacks: Sequence[keras.callbacks.Callback],
    checkpoints: Checkpoints | None = None,
) -> None:
    """Fit a compiled model to the batches of a sampler.

    A checkpoint holds the weights, what the loss and its optimizer keep, the states of random generators of layers,
    running metrics, what the batches heard of the model, and the state of every callback that has one to give: that
    is :class:`simplug.learn.checkpoint.Resumable`. Batches are a function of seed, epoch and step, and need no state.
    What a plugin draws from the global generators of Python, NumPy or TensorFlow is not kept.

    Args:
        model: The model; built and compiled as it was for the checkpoint that it goes on from.
        batches: The batches.
        epochs: How many epochs there are in all.
        workers: Threads that prepare batches.
        embed: Inputs to embeddings, by the model that is trained.
        callbacks: They follow the training, each sees all of it as one.
        checkpoints: Where checkpoints go; None writes none.

    Raises:
        ArtifactError: A checkpoint cannot be written, or the one to go on from does not fit.
    """
    start = checkpoints.start if checkpoints else None
    followers = list(callbacks)
    parts = _parts(model, batches, callbacks)
    if checkpoints is not None:
        followers.append(_Writer(checkpoints, parts, epochs, len(batches)))
    if start is None:
        fed = FedBatches(batches, workers=workers, embed=embed)
        model.fit(fed, epochs=epochs, shuffle=False, verbose=0, callbacks=followers)
        return
    parts[_BATCHES].restore(start.parts[_BATCHES])
    fed = FedBatches(batches, workers=workers, embed=embed, epoch=start.epoch, step=start.step)
    relay = _Relay(followers, parts, start, epochs=epochs, steps=len(batches))
    epoch = start.epoch
    if start.step:
        # Keras asks for the length of an epoch once in a fit: the rest of this one is a fit of its own.
        relay.ends = False
        model.fit(fed, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0, callbacks=[relay])
        epoch = epochs if model.stop_training else epoch + 1
        relay.ends = True
    model.fit(fed, initial_epoch=epoch, epochs=epochs, shuffle=False, verbose=0, callbacks=[relay])


def _parts(model: keras.Model, batches: Batches, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, Resumable]:
    """Return the parts of a training that a checkpoint holds."""
    own: dict[str, Resumable] = {
        "weights": _Variables("model", lambda: model.variables),
        "optimizer": _Variables("optimizer", lambda: model.optimizer.variables),
        _METRICS: _Variables("metrics", lambda: [one for metric in model.metrics for one in metric.variables]),
        _BATCHES: _Heard(batches),
    }
    given = {
        f"{at} {type(callback).__name__}": callback
        for at, callback in enumerate(callbacks)
        if isinstance(callback, Resumable)
    }
    return own | given


@attrs.frozen(eq=False)
class _Variables:
    """The values of Keras variables."""

    what: str
    variables: Callable[[], Sequence[Any]]

    def state(self) -> State:
        return arrays_of(self.variables())

    def restore(self, state: State) -> None:
        assign(self.variables(), state, self.what)


@attrs.frozen(eq=False)
class _Heard:
    """What batches that listen heard of the model."""

    batches: Batches

    def state(self) -> State:
        return self.batches.heard() if isinstance(self.batches, ListeningBatches) else {}

    def restore(self, state: State) -> None:
        if isinstance(self.batches, ListeningBatches):
            self.batches.recall(state)


class _Writer(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the checkpoints; it comes last, so that each holds what the other callbacks made of the step."""

    def __init__(self, checkpoints: Checkpoints, parts: Mapping[str, Resumable], epochs: int, steps: int) -> None:
        super().__init__()
        self._checkpoints, self._parts = checkpoints, parts
        self._epochs, self._steps = epochs, steps
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        done, every = batch + 1, self._checkpoints.every_steps
        if every and done % every == 0 and done < self._steps:
            self._write(self._epoch, done)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        # A training that was stopped is over.
        self._write(self._epochs if self.model.stop_training else epoch + 1, 0)

    def _write(self, epoch: int, step: int) -> None:
        parts = {name: part.state() for name, part in self._parts.items()}
        write_checkpoint(self._checkpoints.folder, Checkpoint(epoch, step, parts, self._checkpoints.made_by))


class _Relay(keras.callbacks.Callback):  # type: ignore[misc]
    """Hands everything on to the callbacks of a training that goes on, so that they see one training.

    Attributes:
        ends: Whether the end of the ``fit`` is the end of the training.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        parts: Mapping[str, Resumable],
        start: Checkpoint,
        *,
        epochs: int,
        steps: int,
    ) -> None:
        super().__init__()
        self.ends = True
        self._callbacks = keras.callbacks.CallbackList(callbacks)
        self._parts, self._start = parts, start
        self._told = {"epochs": epochs, "steps": steps}
        self._begun = False
        self._step = start.step

    def set_params(self, params: Mapping[str, Any]) -> None:
        self._callbacks.set_params({**params, **self._told})

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self._callbacks.set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:
        if self._begun:
            return
        self._begun = True
        self._callbacks.on_train_begin(logs)
        for name, part in self._parts.items():
            if name not in {_BATCHES, _METRICS}:
                part.restore(self._start.parts[name])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._callbacks.on_epoch_begin(epoch, logs)
        if self._step:
            # Keras resets the metrics when an epoch begins; in this one they have seen some steps.
            self._parts[_METRICS].restore(self._start.parts[_METRICS])

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._callbacks.on_train_batch_begin(self._step + batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._callbacks.on_train_batch_end(self._step + batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._callbacks.on_epoch_end(epoch, logs)
        self._step = 0

    def on_train_end(self, logs: Any = None) -> None:
        if self.ends:
            self._callbacks.on_train_end(logs)
