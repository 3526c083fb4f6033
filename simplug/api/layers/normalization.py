"""Batch normalisation of images in one operation."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="simplug")
class ImageBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """``keras.layers.BatchNormalization``, for images in training by TensorFlow's one operation for it.

    Keras puts batch normalisation together from single operations, each of which goes through the whole of the
    activations; on a CPU that can take as long as the convolutions. The numbers and the weights are the same
    up to rounding. Wherever that operation does not serve, it is the layer of Keras: in use, on other backends, for
    other than (n, height, width, channels) with the channels last, with a mask, and with ``synchronized`` or
    ``renorm``.

    Args:
        **options: As for the layer of Keras.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised (n, height, width, channels) images; in training, move the averages first."""
        if not (training and self.trainable and self._is_served(inputs, mask)):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        channels = inputs.shape[-1]
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma) if self.scale else tf.ones(channels),
            offset=tf.convert_to_tensor(self.beta) if self.center else tf.zeros(channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The operation gives the variance over n - 1; Keras keeps that over n.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance * (count - 1) / count)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return normalised

    def _is_served(self, inputs: Any, mask: Any) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and mask is None
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and not (self.synchronized or self.renorm)
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "float16", "bfloat16")
        )
