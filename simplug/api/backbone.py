"""The contract of backbones: an input shape to a Keras encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from simplug.kernel.component import Component

if TYPE_CHECKING:
    import keras


class Backbone(Component, ABC):
    """The network that turns an input into its embedding."""

    kind: ClassVar[str] = "backbone"

    @property
    def largest_input(self) -> float | None:
        """The largest value that inputs are made for, such as 255 for pixels of 0..255; None: there is no such value.

        A training warns of inputs that are far from it.
        """
        return None

    @abstractmethod
    def build(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return a functional Keras model from (n, *input_shape) to (n, embedding_dim) float embeddings.

        Args:
            input_shape: The shape of one example, as the data set gives it; scaling of pixels is the model's work.

        Raises:
            InvalidInputError: The input is too small, or has the wrong rank, for this network.
        """
