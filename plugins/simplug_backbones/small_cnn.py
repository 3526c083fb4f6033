"""A small convolutional network for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from simplug.api import Backbone, InvalidInputError, option
from simplug_backbones.scaling import ScalesToOne

if TYPE_CHECKING:
    import keras

_SMALLEST = {"valid": 14, "same": 2}
"""Two 3 x 3 convolutions, a halving and two more leave one pixel of 14, or of 2 if the convolutions keep the size."""


@attrs.frozen
class SmallCnn(ScalesToOne, Backbone):
    """Four 3 x 3 convolutions (32, 32, pooling, 64, 64) and a dense layer with an output of length 1.

    It is the network of the hello world of TensorFlow Similarity: for images of 28 x 28 x 1 it has 327,200 parameters.
    Pixels are scaled by `rescale` first. The last layers compute in float32 under mixed precision, too, so the
    embeddings are float32 vectors of norm 1.
    """

    embedding_dim: int = option(64, ge=1, doc="the length of the embedding")
    rescale: float = option(1 / 255, gt=0, doc="what pixels are multiplied by; 1/255 brings 0..255 to 0..1")
    dropout: float = option(0.0, ge=0, lt=1, doc="the share of features that are dropped before the dense layer")
    padding: Literal["auto", "valid", "same"] = option(
        "auto",
        choices=("auto", "valid", "same"),
        doc="'valid': convolutions cut the border, for images from 14 x 14; 'same': they keep the size, from 2 x 2; "
        "'auto': 'valid' where the image is large enough",
    )

    def build(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the model from (n, height, width, channels) to (n, embedding_dim) float32 vectors of norm 1.

        Args:
            input_shape: (height, width, channels).

        Raises:
            InvalidInputError: The input is no image with channels, or is too small.
        """
        padding = self._padding(input_shape)
        import keras
        from keras import layers

        inputs = keras.Input(input_shape)
        x = layers.Rescaling(self.rescale)(inputs)
        x = layers.Conv2D(32, 3, padding=padding, activation="relu")(x)
        x = layers.Conv2D(32, 3, padding=padding, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Conv2D(64, 3, padding=padding, activation="relu")(x)
        x = layers.Conv2D(64, 3, padding=padding, activation="relu")(x)
        x = layers.Flatten()(x)
        if self.dropout:
            x = layers.Dropout(self.dropout)(x)
        x = layers.Dense(self.embedding_dim, dtype="float32")(x)
        return keras.Model(inputs, layers.UnitNormalization(dtype="float32", name="embedding")(x), name="small_cnn")

    def _padding(self, input_shape: tuple[int, ...]) -> str:
        if len(input_shape) != 3:
            raise InvalidInputError(
                f"backbone small_cnn: inputs are images (height, width, channels), not of shape {tuple(input_shape)}"
            )
        side = min(input_shape[:2])
        padding = self.padding
        if padding == "auto":
            padding = "valid" if side >= _SMALLEST["valid"] else "same"
        if side < _SMALLEST[padding] or input_shape[2] < 1:
            least = _SMALLEST[padding]
            hint = "; padding = 'same' takes images from 2 x 2" if padding == "valid" else ""
            raise InvalidInputError(
                f"backbone small_cnn: with padding = '{padding}', images must have at least {least} x {least} pixels "
                f"and a channel, not the shape {tuple(input_shape)}{hint}"
            )
        return padding
