"""What backbones made of a trunk, a pooling and an embedding have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import attrs

from simplug.api import Backbone, option

if TYPE_CHECKING:
    import keras

POOLINGS = ("average", "max", "gem", "flatten")

POOLING_DOC = (
    "from a map of features to a vector: 'average', 'max', 'gem' (a generalized mean whose power is learned) or "
    "'flatten' (every position is kept)"
)


@attrs.frozen
class TrunkAndHead(Backbone, ABC):
    """A network whose features are pooled and turned into an embedding."""

    embedding_dim: int | None = option(
        64, ge=1, doc="the length of the embedding; none: no dense layer, the pooled features are the embedding"
    )
    pooling: Literal["average", "max", "gem", "flatten"] = option("average", choices=POOLINGS, doc=POOLING_DOC)
    gem_p: float = option(3.0, ge=0.1, doc="the power at which the pooling 'gem' starts")
    l2: bool = option(True, doc="whether embeddings are divided by their Euclidean norm")

    @abstractmethod
    def trunk(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the part before the pooling, named ``trunk``.

        Args:
            input_shape: The shape of one example, as the data set gives it.

        Raises:
            InvalidInputError: The input is too small, or has the wrong rank, for this network.
        """

    def build(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the model from (n, *input_shape) to (n, d) float32 embeddings.

        Its layers are ``trunk``, ``pooling`` and ``embedding``.

        Args:
            input_shape: The shape of one example, as the data set gives it.

        Raises:
            InvalidInputError: The input is too small, or has the wrong rank, for this network.
            ArtifactError: A file of weights is missing or does not fit.
        """
        trunk = self.trunk(input_shape)
        from simplug.api.layers import encoder

        return encoder(trunk, self.embedding_dim, pooling=self.pooling, gem_p=self.gem_p, l2=self.l2)
