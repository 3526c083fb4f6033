"""The smallest residual network of the ImageNet family, which Keras does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from simplug.api import option
from simplug_backbones.images import require_image
from simplug_backbones.scaling import ScalesToOne
from simplug_backbones.trunk_and_head import TrunkAndHead

if TYPE_CHECKING:
    import keras

_SMALLEST = {"imagenet": 32, "small": 8}
"""What the strides of a stem and of the stages after it reduce to one pixel."""

_LARGE_FROM = 64
"""Pixels on the shorter side from which the stem of the paper leaves the stages something to look at."""


@attrs.frozen
class ResNet18(ScalesToOne, TrunkAndHead):
    """ResNet-18: a stem and four stages of two residual blocks, with 64, 128, 256 and 512 channels.

    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016. Without the embedding layer and with the stem
    of the paper it has 11,186,112 parameters, of which 11,176,512 are trained. The stem for small images, a 3 x 3
    convolution without stride or pooling, is that of the same paper's networks for 32 x 32 images.
    """

    stem: Literal["auto", "imagenet", "small"] = option(
        "auto",
        choices=("auto", "imagenet", "small"),
        doc="'imagenet': 7 x 7 with stride 2 and max pooling, from 32 x 32 pixels; 'small': 3 x 3, from 8 x 8; 'auto': "
        "'small' for images under 64 pixels",
    )
    rescale: float = option(1 / 255, gt=0, doc="what pixels are multiplied by; 1/255 brings 0..255 to 0..1")

    def trunk(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the network up to its pooling, with 512 channels.

        Args:
            input_shape: (height, width, channels).

        Raises:
            InvalidInputError: The input is no image with channels, or is too small for the stem.
        """
        stem = self.stem
        if stem == "auto":
            stem = "small" if len(input_shape) == 3 and min(input_shape[:2]) < _LARGE_FROM else "imagenet"
        require_image(f"resnet18 with stem = '{stem}'", input_shape, _SMALLEST[stem])
        import keras
        from keras import layers

        inputs = keras.Input(input_shape, name="images")
        x = layers.Rescaling(self.rescale, name="rescaling")(inputs)
        if stem == "imagenet":
            x = _convolution(x, 64, 7, 2, "conv1")
            x = layers.ReLU(name="conv1_relu")(x)
            x = layers.ZeroPadding2D(1, name="conv1_pool_pad")(x)
            x = layers.MaxPooling2D(3, strides=2, name="conv1_pool")(x)
        else:
            x = _convolution(x, 64, 3, 1, "conv1")
            x = layers.ReLU(name="conv1_relu")(x)
        for stage, channels in enumerate((64, 128, 256, 512), start=2):
            x = _residual_block(x, channels, 1 if stage == 2 else 2, f"conv{stage}_block1")
            x = _residual_block(x, channels, 1, f"conv{stage}_block2")
        return keras.Model(inputs, x, name="trunk")


def _residual_block(x: Any, channels: int, stride: int, name: str) -> Any:
    """Return two convolutions of `x` added to `x` itself, projected where its form changes."""
    from keras import layers

    kept = x
    if stride > 1 or x.shape[-1] != channels:
        kept = _convolution(x, channels, 1, stride, f"{name}_0")
    y = _convolution(x, channels, 3, stride, f"{name}_1")
    y = layers.ReLU(name=f"{name}_1_relu")(y)
    y = _convolution(y, channels, 3, 1, f"{name}_2")
    y = layers.Add(name=f"{name}_add")([kept, y])
    return layers.ReLU(name=f"{name}_relu")(y)


def _convolution(x: Any, channels: int, size: int, stride: int, name: str) -> Any:
    """Return a convolution and its batch normalisation."""
    from keras import layers

    from simplug.api.layers import ImageBatchNormalization

    if size > 1:
        # Keras's own padding is lopsided where there is a stride.
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        channels, size, strides=stride, use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    return ImageBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
