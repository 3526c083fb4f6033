"""A copy of layers that follows them slowly, as BYOL and MoCo compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras


class SlowCopy(keras.layers.Layer):  # type: ignore[misc]
    r"""The weights of some layers as an exponential average of what they were after each step.

    .. math:: \theta' \leftarrow m \, \theta' + (1 - m) \, \theta

    The copy has weights and no layers: it runs the layers that it follows, with its own weights in place of theirs. It
    normalises batches as they do, in training by the statistics of its own batch, and keeps moving averages of its
    own. No gradient flows through it. Its weights are saved with the model and are not trained.

    Args:
        momentum: The share m of itself that it keeps at each step.
        name: The name that Keras shows.
    """

    def __init__(self, momentum: float, name: str) -> None:
        super().__init__(name=name, dtype="float32", trainable=False)
        self.momentum = momentum
        self.held: list[keras.Variable] = []

    def start(self, followed: Sequence[keras.layers.Layer]) -> None:
        """Become equal to the layers."""
        for number, weight in enumerate(_weights(followed)):
            # A half-precision average would stand still: its steps are smaller than its last digit.
            dtype = "float32" if weight.dtype in ("float16", "bfloat16") else weight.dtype
            held = self.add_weight(
                name=f"weight{number}",
                shape=weight.shape,
                initializer="zeros",
                trainable=False,
                dtype=dtype,
                autocast=False,
                # The replicas of a distributed training have equal weights, but normalise batches of their own.
                aggregation="only_first_replica" if weight.trainable else "mean",
            )
            held.assign(keras.ops.cast(weight.value, dtype))
            self.held.append(held)
        self.built = True

    def follow(self, followed: Sequence[keras.layers.Layer]) -> None:
        """Move one step toward the layers."""
        for weight, held in zip(_weights(followed), self.held, strict=True):
            if weight.trainable:
                kept = self.momentum * held.value
                held.assign(kept + (1 - self.momentum) * keras.ops.cast(weight.value, held.dtype))

    def run(self, followed: Sequence[keras.layers.Layer], function: Callable[[], Any], *, training: bool) -> Any:
        """Return what a function of the layers gives with the copy's weights, as a constant.

        Args:
            followed: The layers that were given to :meth:`start`.
            function: It runs the layers.
            training: Whether the moving averages of the copy move.
        """
        weights = _weights(followed)
        mapping: list[tuple[keras.Variable, Any]] = list(zip(weights, self.held, strict=True))
        known = {id(weight) for weight in weights}
        states = [state for layer in followed for state in layer.variables if id(state) not in known]
        mapping += [(state, state.value) for state in states]
        with keras.StatelessScope(mapping) as scope:
            outputs = function()
        if training:
            for weight, held in zip(weights, self.held, strict=True):
                if not weight.trainable:
                    held.assign(scope.get_current_value(weight))
        return keras.ops.stop_gradient(outputs)


def _weights(layers: Sequence[keras.layers.Layer]) -> list[keras.Variable]:
    return [weight for layer in layers for weight in layer.weights]
