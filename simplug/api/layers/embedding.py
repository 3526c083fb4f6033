"""The last layer of an encoder."""

from __future__ import annotations

from typing import Any

import keras

from simplug.api.numerics import unit_rows
from simplug.kernel.errors import InvalidInputError


@keras.saving.register_keras_serializable(package="simplug")
class EmbeddingHead(keras.layers.Layer):  # type: ignore[misc]
    """Turns features (n, m) into embeddings (n, units) by a dense layer and division by their norm.

    It computes in float32 whatever the precision of the rest: distances of neighbours differ by less than half
    precision can tell. A feature row that the dense layer maps to zero stays zero, with gradient 0.

    Args:
        units: The length of the embedding; None leaves the dense layer out.
        l2: Whether embeddings are divided by their Euclidean norm.
        use_bias: Whether the dense layer has a bias.
        dtype: As in Keras; float32 unless something else is asked for.
        **kwargs: As for every Keras layer.

    Raises:
        InvalidInputError: `units` is not a whole number of at least 1.
    """

    def __init__(
        self, units: int | None, *, l2: bool = True, use_bias: bool = True, dtype: Any = "float32", **kwargs: Any
    ) -> None:
        if units is not None and (isinstance(units, bool) or not isinstance(units, int) or units < 1):
            raise InvalidInputError(f"EmbeddingHead: units is a whole number of at least 1, or None, not {units!r}")
        super().__init__(dtype=dtype, **kwargs)
        self.units = units
        self.l2 = l2
        self.use_bias = use_bias
        self.dense = None
        if units is not None:
            self.dense = keras.layers.Dense(units, use_bias=use_bias, dtype=self.dtype_policy, name="dense")

    def build(self, input_shape: Any) -> None:
        """Make the weights of the dense layer."""
        if len(input_shape) != 2:
            raise InvalidInputError(f"EmbeddingHead {self.name}: features have shape (n, m), not {tuple(input_shape)}")
        if self.dense is not None:
            self.dense.build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the embeddings, (n, units)."""
        embeddings = inputs if self.dense is None else self.dense(inputs)
        return unit_rows(embeddings) if self.l2 else embeddings

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int | None]:
        """Return (n, units)."""
        return (input_shape[0], input_shape[1] if self.units is None else self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "units": self.units, "l2": self.l2, "use_bias": self.use_bias}
