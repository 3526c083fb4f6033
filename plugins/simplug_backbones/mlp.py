"""A multilayer perceptron."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import attrs

from simplug.api import Backbone, InvalidInputError, option
from simplug_backbones.scaling import ScalesToOne

if TYPE_CHECKING:
    import keras

_ACTIVATIONS = ("elu", "gelu", "leaky_relu", "linear", "relu", "selu", "sigmoid", "silu", "tanh")


@attrs.frozen
class Mlp(ScalesToOne, Backbone):
    """Dense layers, with an output of length 1; for vectors, and for small images taken as vectors.

    Inputs of any shape are flattened and multiplied by `rescale`. The last layers compute in float32 under mixed
    precision, too, so the embeddings are float32 vectors of norm 1.
    """

    units: tuple[int, ...] = option((128, 128), ge=1, doc="the width of each hidden layer; empty: none")
    embedding_dim: int = option(64, ge=1, doc="the length of the embedding")
    activation: Literal["elu", "gelu", "leaky_relu", "linear", "relu", "selu", "sigmoid", "silu", "tanh"] = option(
        "relu", choices=_ACTIVATIONS, doc="the activation of the hidden layers"
    )
    rescale: float = option(
        1 / 255,
        gt=0,
        doc="what inputs are multiplied by; 1/255 brings pixels of 0..255 to 0..1, 1 leaves features alone",
    )

    def build(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the model from (n, *input_shape) to (n, embedding_dim) float32 vectors of norm 1.

        Args:
            input_shape: One size or more, each at least 1.

        Raises:
            InvalidInputError: The shape is empty, or one of its sizes is.
        """
        if not input_shape or math.prod(input_shape) < 1:
            raise InvalidInputError(
                f"backbone mlp: an example must hold at least one number; its shape is {input_shape}"
            )
        import keras
        from keras import layers

        inputs = keras.Input(input_shape)
        x = layers.Rescaling(self.rescale)(inputs)
        x = layers.Flatten()(x)
        for width in self.units:
            x = layers.Dense(width, activation=self.activation)(x)
        x = layers.Dense(self.embedding_dim, dtype="float32")(x)
        return keras.Model(inputs, layers.UnitNormalization(dtype="float32", name="embedding")(x), name="mlp")
