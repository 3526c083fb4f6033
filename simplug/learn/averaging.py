"""A running average of a model's weights, which is what is evaluated and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from simplug.api import InvalidInputError
from simplug.learn.checkpoint import State, arrays_of, assign


class AveragedWeights(keras.callbacks.Callback):  # type: ignore[misc]
    r"""Averages the weights over the steps of a training, and leaves the average in the model.

    After step t, counted from 0, the average of each weight moves towards the weight:

    .. math:: \bar{w} \leftarrow m\, \bar{w} + (1 - m)\, w, \qquad m = \min\left(a, \frac{1 + t}{10 + t}\right)

    The share m rises at first, so that the average forgets where the training began, however short it is. Averaged are
    the weights that are trained, those that a loss keeps among them, and the moving means and variances of batch
    normalisation that belong to them; what else changes, such as a queue of embeddings, stays as it is.

    While an epoch runs, the model has the weights that are trained. At its end, during validation and after the
    training it has the average: callbacks that come after this one see that. Optimizers of Keras have an average of
    their own, which begins at the first step with its full share and leaves out batch normalisation; use one of the
    two.

    Polyak, Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.

    Args:
        average: a, the largest share of the average that stays at each step, ``0 < average < 1``.

    Raises:
        InvalidInputError: `average` is out of range.
    """

    _move: Callable[[Any], None]

    def __init__(self, average: float = 0.999) -> None:
        super().__init__()
        if isinstance(average, bool) or not isinstance(average, int | float) or not 0 < average < 1:
            raise InvalidInputError(f"average is {average!r}; it is a number between 0 and 1, such as 0.999")
        self._average = float(average)
        self._weights: list[keras.Variable] = []
        # The average while an epoch runs; the weights that are trained while the model has the average.
        self._others: list[keras.Variable] = []
        self._steps = 0
        self._shown = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin an average at the weights as they are."""
        self._weights = _averaged(self.model)
        self._others = [
            keras.Variable(keras.ops.convert_to_numpy(weight), dtype=weight.dtype, trainable=False, name="average")
            for weight in self._weights
        ]
        self._move = _as_one_call(self._weights, self._others)
        self._steps, self._shown = 0, False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Give the model the weights that are trained."""
        self._show_average(False)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Move the average."""
        share = min(self._average, (1 + self._steps) / (10 + self._steps))
        self._move(keras.ops.convert_to_tensor(1 - share, dtype="float32"))
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Give the model the average."""
        self._show_average(True)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Give the model the average."""
        self._show_average(True)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Give the model the weights that are trained; a validation is followed by the end of the epoch."""
        self._show_average(False)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Leave the average in the model."""
        self._show_average(True)
        self._weights, self._others, self._shown = [], [], False

    def state(self) -> State:
        """Return the averages, or the weights that are trained while the model has the averages."""
        return {**arrays_of(self._others), "steps": self._steps, "shown": self._shown}

    def restore(self, state: State) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ArtifactError: It is of another model.
        """
        arrays = {name: value for name, value in state.items() if name not in {"steps", "shown"}}
        assign(self._others, arrays, "averaged weights")
        self._steps, self._shown = state["steps"], state["shown"]

    def _show_average(self, wanted: bool) -> None:
        if wanted == self._shown:
            return
        for weight, other in zip(self._weights, self._others, strict=True):
            value = np.array(keras.ops.convert_to_numpy(weight))
            weight.assign(other)
            other.assign(value)
        self._shown = wanted


def _averaged(model: keras.Model) -> list[keras.Variable]:
    """Return the weights of a model that training moves, and the statistics that belong to them."""
    statistics = [
        variable
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for variable in layer.non_trainable_variables
    ]
    return [*model.trainable_variables, *statistics]


def _as_one_call(weights: Sequence[keras.Variable], averages: Sequence[keras.Variable]) -> Callable[[Any], None]:
    """Return a function that moves averages by a share of the way to their weights."""

    def move(share: Any) -> None:
        for weight, average in zip(weights, averages, strict=True):
            # In this form a weight that does not change is its own average to the last bit.
            average.assign_add(keras.ops.cast(share, average.dtype) * (weight - average))

    if keras.backend.backend() != "tensorflow":
        return move
    import tensorflow as tf

    # Called one by one, the operations of a small network take about as long as a step of its training.
    compiled: Callable[[Any], None] = tf.function(move)
    return compiled
