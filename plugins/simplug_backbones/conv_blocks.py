"""A convolutional network whose blocks are chosen one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from simplug.api import InvalidInputError, option
from simplug_backbones.images import require_image
from simplug_backbones.scaling import ScalesToOne
from simplug_backbones.trunk_and_head import POOLING_DOC, POOLINGS, TrunkAndHead

if TYPE_CHECKING:
    import keras


@attrs.frozen
class ConvBlocks(ScalesToOne, TrunkAndHead):
    """Blocks of a convolution, batch normalisation and ReLU, of which the first ones halve the image.

    Where ``conv4`` ends in a single pixel, blocks that do not halve leave a map, of which the pooling "flatten" keeps
    where things are, and the embedding layer learns what to make of that. With the defaults, 32 x 32 pixels become a
    map of 4 x 4 with 128 channels.
    """

    embedding_dim: int | None = option(
        256, ge=1, doc="the length of the embedding; none: no dense layer, the pooled features are the embedding"
    )
    pooling: Literal["average", "max", "gem", "flatten"] = option("flatten", choices=POOLINGS, doc=POOLING_DOC)
    filters: tuple[int, ...] = option((32, 64, 128, 128), ge=1, doc="the channels of each block")
    halvings: int = option(3, ge=0, doc="how many blocks, from the first on, halve height and width")
    halve_by: Literal["max_pool", "stride"] = option(
        "max_pool",
        choices=("max_pool", "stride"),
        doc="'max_pool': 2 x 2 max pooling after the convolution; 'stride': a convolution with stride 2, which takes "
        "less time",
    )
    first_kernel: int = option(3, ge=1, doc="the side of the first convolution; all others are 3 x 3")
    dropout: float = option(0.0, ge=0, lt=1, doc="the share of the features that are dropped at the end of the trunk")
    rescale: float = option(1 / 255, gt=0, doc="what pixels are multiplied by; 1/255 brings 0..255 to 0..1")

    def __attrs_post_init__(self) -> None:
        if not self.filters:
            raise InvalidInputError("filters must have a number for at least one block")
        if self.halvings > len(self.filters):
            raise InvalidInputError(
                f"halvings is {self.halvings}, and there are {len(self.filters)} blocks to halve in"
            )

    def trunk(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the blocks, from (n, height, width, channels) to (n, smaller height, smaller width, last filters).

        Args:
            input_shape: (height, width, channels).

        Raises:
            InvalidInputError: The input is no image with channels, or has too few pixels to be halved so often.
        """
        require_image("conv_blocks", input_shape, 2**self.halvings, "; lower halvings")
        import keras
        from keras import layers

        inputs = keras.Input(input_shape, name="images")
        x = layers.Rescaling(self.rescale, name="rescaling")(inputs)
        for block in range(len(self.filters)):
            x = self._block(x, block)
        if self.dropout:
            x = layers.Dropout(self.dropout, name="dropout")(x)
        return keras.Model(inputs, x, name="trunk")

    def _block(self, x: Any, block: int) -> Any:
        from keras import layers

        from simplug.api.layers import ImageBatchNormalization

        name = f"conv{block + 1}"
        halves = block < self.halvings
        x = layers.Conv2D(
            self.filters[block],
            self.first_kernel if block == 0 else 3,
            strides=2 if halves and self.halve_by == "stride" else 1,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=name,
        )(x)
        if halves and self.halve_by == "max_pool":
            # Pooled first: what grows with its input grows as much after pooling, and is done on a quarter of it.
            x = layers.MaxPooling2D(name=f"{name}_pool")(x)
        x = ImageBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x)
