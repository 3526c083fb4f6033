"""Pixels as the changes want them: checked for those of place, and as colours and back for the others."""

from __future__ import annotations

import numpy as np

from simplug.api import InvalidInputError, Split


def as_colours(inputs: np.ndarray, who: str) -> np.ndarray:
    """Return images as float32 from 0 to 1.

    Args:
        inputs: (b, height, width, channels): uint8, or floats from 0 to 1.
        who: The name of the augmenter, for the message of an error.

    Raises:
        InvalidInputError: The inputs are no such images.
    """
    if inputs.ndim != 4 or 0 in inputs.shape[1:]:
        raise InvalidInputError(f"augmenter {who}: images have shape (b, height, width, channels), not {inputs.shape}")
    if inputs.dtype == np.uint8:
        return inputs.astype(np.float32) / 255
    if inputs.dtype.kind != "f":
        raise InvalidInputError(
            f"augmenter {who}: pixels are uint8 from 0 to 255 or floats from 0 to 1, not {inputs.dtype}"
        )
    if inputs.size and (inputs.min() < 0 or inputs.max() > 1):
        raise InvalidInputError(
            f"augmenter {who}: floating-point pixels are from 0 to 1; these go from {inputs.min():g} to "
            f"{inputs.max():g}"
        )
    return inputs.astype(np.float32)


def as_inputs(colours: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return float32 images, clipped to 0 to 1, as pixels of the dtype that they came in."""
    colours = np.clip(colours, 0, 1)
    return np.rint(colours * 255).astype(np.uint8) if dtype == np.uint8 else colours.astype(dtype)


def require_images(split: Split, who: str) -> tuple[int, ...]:
    """Return the (height, width, channels) of the images of a split.

    Raises:
        InvalidInputError: Its examples are no images; the message names the augmenter `who`.
    """
    shape = split.example_shape
    if isinstance(shape, dict) or len(shape) != 3:
        raise InvalidInputError(f"augmenter {who}: images have shape (height, width, channels), not {shape}")
    return shape


def require_pixels(inputs: np.ndarray, fill: float, who: str) -> None:
    """Refuse what cannot be moved about with `fill` around it.

    Args:
        inputs: (b, height, width, channels) of an integer or floating-point dtype.
        fill: The pixel value of what comes into view from outside.
        who: The name of the augmenter, for the message of an error.

    Raises:
        InvalidInputError: The inputs are no such images, or `fill` does not fit their dtype.
    """
    if inputs.ndim != 4 or 0 in inputs.shape[1:]:
        raise InvalidInputError(f"augmenter {who}: images have shape (b, height, width, channels), not {inputs.shape}")
    if inputs.dtype.kind not in "iuf":
        raise InvalidInputError(f"augmenter {who}: pixels are integers or floats, not {inputs.dtype}")
    if inputs.dtype.kind in "iu":
        limits = np.iinfo(inputs.dtype)
        if not limits.min <= fill <= limits.max:
            raise InvalidInputError(
                f"augmenter {who}: fill = {fill} is outside {limits.min} to {limits.max}, the range of {inputs.dtype} "
                "pixels"
            )
