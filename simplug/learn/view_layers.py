"""The dense layers behind an encoder: projector and predictor."""

from __future__ import annotations

from typing import Any

import keras

from simplug.api import Predictor, Projector


class DenseLayers(keras.layers.Layer):  # type: ignore[misc]
    """Dense layers with ReLUs between them, in float32 whatever the precision of the encoder.

    Args:
        settings: How many, how wide, and where batch normalisation stands.
        dim: The units of the last layer.
        name: The name that Keras shows.
    """

    def __init__(self, settings: Projector | Predictor, dim: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.settings = settings
        self.stack: list[keras.layers.Layer] = []
        for number in range(1, settings.layers):
            # A bias in front of batch normalisation is taken out again by it.
            self._add(keras.layers.Dense, number, settings.width, use_bias=not settings.batch_norm)
            if settings.batch_norm:
                self._add_norm(number)
            self._add(keras.layers.ReLU, number)
        ends_normalised = getattr(settings, "output_batch_norm", False)
        self._add(keras.layers.Dense, settings.layers, dim, use_bias=not ends_normalised)
        if ends_normalised:
            self._add_norm(settings.layers)

    def build(self, input_shape: Any) -> None:
        """Make the weights, for rows of this length."""
        shape = tuple(input_shape)
        for layer in self.stack:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return what the last layer makes of rows (n, m)."""
        rows = inputs
        for layer in self.stack:
            is_norm = isinstance(layer, keras.layers.BatchNormalization)
            rows = layer(rows, training=training) if is_norm else layer(rows)
        return rows

    def _add(self, kind: type[keras.layers.Layer], number: int, *arguments: Any, **options: Any) -> None:
        name = f"{kind.__name__.lower()}{number}"
        self.stack.append(kind(*arguments, name=name, dtype="float32", **options))

    def _add_norm(self, number: int) -> None:
        # The momentum and epsilon of the papers' networks; Keras's moving averages would need longer trainings.
        self._add(keras.layers.BatchNormalization, number, momentum=0.9, epsilon=1e-5)
