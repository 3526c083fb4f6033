"""What the models of keras.applications expect of pixels, as layers of the model."""

from __future__ import annotations

from typing import Any, Literal

Mode = Literal["none", "tf", "torch", "caffe"]
"""Keras's names: nothing, for models that do it themselves; pixels from -1 to 1; and the statistics of ImageNet, each
colour divided by its deviation (torch) or only centred, in the order blue, green, red (caffe)."""

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN = (103.939, 116.779, 123.68)


def preprocessed(images: Any, mode: Mode) -> Any:
    """Return images (n, height, width, 3) of 0..255, red first, as the models of a family were trained on them.

    It is ``keras.applications.<family>.preprocess_input`` in layers that a saved model holds.
    """
    from keras import layers, ops

    if mode == "none":
        return images
    if mode == "tf":
        return layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="preprocessing")(images)
    if mode == "torch":
        scale = [1 / (255 * deviation) for deviation in _DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)]
        return layers.Rescaling(scale, offset=offset, dtype="float32", name="preprocessing")(images)
    offset = [-mean for mean in _CAFFE_MEAN]
    return layers.Rescaling(1.0, offset=offset, dtype="float32", name="preprocessing")(ops.flip(images, axis=-1))
