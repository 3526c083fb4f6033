"""Generalized-mean pooling."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from simplug.kernel.errors import InvalidInputError

SMALLEST_POWER = 0.1
"""A learned power stays at this or above: at 0 the formula divides by it."""

EPSILON = 1e-6
"""What activations are raised to: the logarithm needs numbers above 0."""


class _AtLeast(keras.constraints.Constraint):  # type: ignore[misc]
    """Raises a weight to a bound after each step, so that its gradient is never cut off."""

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __call__(self, value: Any) -> Any:
        return ops.maximum(value, self.bound)


class _GeneralizedMeanPooling(keras.layers.Layer):  # type: ignore[misc]
    """What both poolings share; a subclass says over how many axes."""

    axes: int

    def __init__(
        self,
        p: float = 3.0,
        *,
        learnable: bool = True,
        shift: bool = False,
        data_format: str | None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> None:
        who = type(self).__name__
        if isinstance(p, bool) or not isinstance(p, int | float) or math.isnan(p):
            raise InvalidInputError(f"{who}: p is a number or an infinity, not {p!r}")
        if learnable and not SMALLEST_POWER <= p < math.inf:
            raise InvalidInputError(
                f"{who}: a learned p starts at a finite number of at least {SMALLEST_POWER}, not at {p}; "
                "pass learnable=False for a fixed one"
            )
        super().__init__(**kwargs)
        self.p = float(p)
        self.learnable = learnable
        self.shift = shift
        self.data_format = data_format or keras.config.image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise InvalidInputError(f"{who}: data_format is 'channels_last' or 'channels_first', not {data_format!r}")
        self.keepdims = keepdims
        self.input_spec = keras.layers.InputSpec(ndim=self.axes + 2)
        self._power: Any = None

    def build(self, input_shape: Any) -> None:
        """Make the power, if it is learned."""
        if self.learnable:
            self._power = self.add_weight(
                name="p",
                shape=(),
                initializer=keras.initializers.Constant(self.p),
                constraint=_AtLeast(SMALLEST_POWER),
                dtype="float32",
                autocast=False,
            )

    def call(self, inputs: Any) -> Any:
        """Return the pooled activations, in the compute dtype; inside, they are float32."""
        first = 1 if self.data_format == "channels_last" else 2
        axes = tuple(range(first, first + self.axes))
        values = ops.cast(inputs, "float32")
        if self.shift:
            offset = ops.min(values, axis=axes, keepdims=True) - 1
            pooled = self._mean(values - offset, axes) + offset
        else:
            pooled = self._mean(ops.maximum(values, EPSILON), axes)
        pooled = pooled if self.keepdims else ops.squeeze(pooled, axis=axes)
        return ops.cast(pooled, self.compute_dtype)

    def _mean(self, values: Any, axes: tuple[int, ...]) -> Any:
        """Return the generalized mean of positive numbers, with the pooled axes kept at length 1."""
        if not self.learnable and math.isinf(self.p):
            return (ops.max if self.p > 0 else ops.min)(values, axis=axes, keepdims=True)
        logs = ops.log(values)
        if not self.learnable and self.p == 0:
            return ops.exp(ops.mean(logs, axis=axes, keepdims=True))
        power = self._power if self.learnable else self.p
        # Sums of powers are taken as logarithms: no activation and no power makes them overflow.
        count = ops.cast(ops.sum(ops.ones_like(logs), axis=axes, keepdims=True), "float32")
        return ops.exp((ops.logsumexp(power * logs, axis=axes, keepdims=True) - ops.log(count)) / power)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape without the pooled axes, or with 1 in their place."""
        shape = tuple(input_shape)
        ones = (1,) * self.axes if self.keepdims else ()
        if self.data_format == "channels_last":
            return (shape[0], *ones, shape[-1])
        return (shape[0], shape[1], *ones)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "p": self.p,
            "learnable": self.learnable,
            "shift": self.shift,
            "data_format": self.data_format,
            "keepdims": self.keepdims,
        }


@keras.saving.register_keras_serializable(package="simplug")
class GeneralizedMeanPooling2D(_GeneralizedMeanPooling):
    r"""Pools images, (n, height, width, channels) to (n, channels), by a generalized mean (GeM).

    .. math::
        f_c = \left(\frac{1}{|X_c|} \sum_{x \in X_c} \max(x, \epsilon)^p\right)^{1/p}

    With p = 1 it is the average of activations that are not negative, and the larger p, the nearer it is to their
    maximum. It is the pooling of Radenović, Tolias and Chum, "Fine-tuning CNN Image Retrieval with No Human
    Annotation", IEEE TPAMI 2019, with one power for all channels. Activations below :math:`\epsilon` = 1e-6 count
    as that; the pooling is meant for what comes out of a ReLU.

    TensorFlow Similarity's layer of this name measures activations from the minimum of their channel less 1 instead,
    which makes every power possible for negative numbers, too, and gives other values; `shift` does that here.

    Args:
        p: The power, at its start if it is learned. A fixed power may be any number: 0 gives the geometric mean, -1
            the harmonic one, an infinity the maximum or the minimum.
        learnable: Whether the power is learned; it then stays at 0.1 or above.
        shift: Whether activations are measured from the minimum of their channel less 1.
        data_format: As in Keras: ``"channels_last"`` or ``"channels_first"``; None takes Keras's setting.
        keepdims: Whether the pooled axes are kept with length 1.
        **kwargs: As for every Keras layer.

    Raises:
        InvalidInputError: A learned power does not start at a finite number of at least 0.1, or an argument is of
            the wrong kind.
    """

    axes = 2


@keras.saving.register_keras_serializable(package="simplug")
class GeneralizedMeanPooling1D(_GeneralizedMeanPooling):
    """Pools sequences, (n, steps, channels) to (n, channels), by a generalized mean (GeM).

    All but the shape is as for :class:`GeneralizedMeanPooling2D`.
    """

    axes = 1
