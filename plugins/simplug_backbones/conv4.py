"""The convolutional network of the few-shot literature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from simplug.api import option
from simplug_backbones.images import require_image
from simplug_backbones.scaling import ScalesToOne
from simplug_backbones.trunk_and_head import POOLING_DOC, POOLINGS, TrunkAndHead

if TYPE_CHECKING:
    import keras

_SMALLEST = 16
"""Four halvings leave one pixel of 16."""


@attrs.frozen
class Conv4(ScalesToOne, TrunkAndHead):
    """Four blocks of a 3 x 3 convolution, batch normalisation, ReLU and 2 x 2 max pooling, the few-shot standard.

    It is the embedding network of Vinyals et al., "Matching Networks for One Shot Learning", 2016, and of Snell et
    al., "Prototypical Networks for Few-shot Learning", 2017. With the defaults there is no dense layer, as there: an
    image of 28 x 28 becomes 64 numbers, one of 84 x 84 becomes 1600. For images with one channel it has 112,448
    parameters, of which 111,936 are trained. Embeddings are divided by their norm; ``l2 = false`` leaves them as the
    papers have them, for squared Euclidean distances.
    """

    embedding_dim: int | None = option(
        None, ge=1, doc="the length of the embedding; none: no dense layer, the pooled features are the embedding"
    )
    pooling: Literal["average", "max", "gem", "flatten"] = option("flatten", choices=POOLINGS, doc=POOLING_DOC)
    filters: int = option(64, ge=1, doc="the channels of each block")
    rescale: float = option(1 / 255, gt=0, doc="what pixels are multiplied by; 1/255 brings 0..255 to 0..1")

    def trunk(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the four blocks, from (n, height, width, channels) to (n, height / 16, width / 16, filters).

        Args:
            input_shape: (height, width, channels).

        Raises:
            InvalidInputError: The input is no image with channels, or has fewer than 16 pixels on a side.
        """
        require_image("conv4", input_shape, _SMALLEST, "; small_cnn takes smaller ones")
        import keras
        from keras import layers

        from simplug.api.layers import ImageBatchNormalization

        inputs = keras.Input(input_shape, name="images")
        x = layers.Rescaling(self.rescale, name="rescaling")(inputs)
        for block in range(1, 5):
            x = layers.Conv2D(self.filters, 3, padding="same", name=f"conv{block}")(x)
            # PyTorch's momentum and epsilon, with which the network's published numbers were made.
            x = ImageBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"conv{block}_bn")(x)
            x = layers.ReLU(name=f"conv{block}_relu")(x)
            x = layers.MaxPooling2D(name=f"conv{block}_pool")(x)
        return keras.Model(inputs, x, name="trunk")
