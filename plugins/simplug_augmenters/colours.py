"""Changes of the colours of images, each image by an amount of its own.

Images are (b, height, width, channels) float32 with black at 0 and white at 1; amounts are (b,). Results are new
arrays. They may leave the range from 0 to 1; :func:`clipped` brings them back.
"""

from __future__ import annotations

import numpy as np

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""What red, green and blue weigh in the grey level: Recommendation ITU-R BT.601."""


def clipped(images: np.ndarray) -> np.ndarray:
    """Return images with all values from 0 to 1."""
    kept: np.ndarray = np.clip(images, 0, 1)
    return kept


def grey(images: np.ndarray) -> np.ndarray:
    """Return the (b, height, width, 1) grey levels."""
    weights = _LUMA if images.shape[-1] == 3 else np.full(images.shape[-1], 1 / images.shape[-1], np.float32)
    levels: np.ndarray = images @ weights
    return levels[..., None]


def brightened(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Multiply every value; 0 is black, 1 changes nothing."""
    bright: np.ndarray = images * _each(factor)
    return bright


def with_contrast(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Move values away from the mean grey level of the image, or towards it below 1; at 0 the image is that grey."""
    return _blended(grey(images).mean(axis=(1, 2), keepdims=True), images, factor)


def saturated(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Move colours away from their grey levels, or towards them below 1; at 0 the image is grey."""
    return _blended(grey(images), images, factor)


def with_hue(images: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Turn the hue of colour images; lightness and saturation, as HSV has them, stay.

    Args:
        images: Three channels; images of another number of channels have no hue, and are returned as they are.
        turn: In whole turns: 1/3 makes red green.
    """
    if images.shape[-1] != 3:
        return images
    value = images.max(axis=-1)
    chroma = value - images.min(axis=-1)
    hue = _sixths(images, value, chroma) + 6 * turn.astype(np.float32)[:, None, None]
    turned = np.empty_like(images)
    # Each channel is value minus chroma where its colour is opposite, and falls off linearly on both sides.
    for channel, offset in enumerate((5, 3, 1)):
        k = np.mod(offset + hue, 6)
        turned[..., channel] = value - chroma * np.clip(np.minimum(k, 4 - k), 0, 1)
    return turned


def solarized(images: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Invert every value that is at least the threshold."""
    return np.where(images >= _each(threshold), 1 - images, images)


def posterized(images: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Round every value down to one of so many evenly spaced levels, from 0 on; at least 2."""
    count = _each(levels)
    steps: np.ndarray = np.minimum(np.floor(images * count), count - 1) / (count - 1)
    return steps


def stretched(images: np.ndarray) -> np.ndarray:
    """Stretch each channel so that its darkest value is 0 and its lightest 1; a channel of one value stays."""
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    span = high - low
    return np.where(span > 0, (images - low) / np.where(span > 0, span, 1), images)


def equalized(images: np.ndarray) -> np.ndarray:
    """Give each channel a flat histogram of 256 levels; a channel of one value stays."""
    count, height, width, channels = images.shape
    levels = np.clip(np.rint(images * 255), 0, 255).astype(np.int64)
    owner = np.arange(count * channels).reshape(count, 1, 1, channels) * 256
    histogram = np.bincount((owner + levels).ravel(), minlength=count * channels * 256).reshape(-1, 256)
    below = np.cumsum(histogram, axis=1)
    first = below[np.arange(len(below)), (histogram > 0).argmax(axis=1)]
    rest = height * width - first
    table = (below - first[:, None]) / np.maximum(rest, 1)[:, None]
    flat = table.astype(np.float32).ravel()[owner + levels]
    return np.where((rest > 0).reshape(count, 1, 1, channels), flat, images)


def sharpened(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Move values away from those of the smoothed image, or towards them below 1; the border stays."""
    smooth = images.copy()
    if min(images.shape[1:3]) > 2:
        around = sum(
            images[:, row : images.shape[1] - 2 + row, column : images.shape[2] - 2 + column]
            for row in range(3)
            for column in range(3)
        )
        # The smoothing kernel has 5 in its middle and 1 around it.
        smooth[:, 1:-1, 1:-1] = (around + 4 * images[:, 1:-1, 1:-1]) / 13
    return _blended(smooth, images, factor)


def blurred(images: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Blur by a Gaussian; beyond the border the image is mirrored.

    Args:
        images: The images.
        sigma: Its standard deviation in pixels, above 0.
    """
    down, across = (_gaussian(size, sigma) for size in images.shape[1:3])
    count, height, width, channels = images.shape
    rows = np.matmul(down, images.reshape(count, height, width * channels)).reshape(images.shape)
    blurred_rows: np.ndarray = np.matmul(across[:, None], rows)
    return blurred_rows


def _gaussian(size: int, sigma: np.ndarray) -> np.ndarray:
    """Return the (b, size, size) weights of each pixel of a line in each blurred pixel."""
    position = np.arange(size)
    # The line and its two mirror images reach far enough for any blur that leaves something of the image.
    sources = np.concatenate([-1 - position[::-1], position, 2 * size - 1 - position])
    gaps = (sources[None, :] - position[:, None]).astype(np.float32)
    weights = np.exp(-0.5 * (gaps / sigma.astype(np.float32)[:, None, None]) ** 2)
    before, own, after = np.split(weights, 3, axis=2)
    total = own + before[:, :, ::-1] + after
    normal: np.ndarray = total / total.sum(axis=2, keepdims=True)
    return normal


def _sixths(images: np.ndarray, value: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Return the hue in sixths of a turn, 0 for greys."""
    red, green, blue = images[..., 0], images[..., 1], images[..., 2]
    span = np.where(chroma > 0, chroma, 1)
    by_green, by_blue = 2 + (blue - red) / span, 4 + (red - green) / span
    hue = np.where(value == red, (green - blue) / span, np.where(value == green, by_green, by_blue))
    return np.where(chroma > 0, hue, 0)


def _blended(start: np.ndarray, images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    blended: np.ndarray = start + _each(factor) * (images - start)
    return blended


def _each(amounts: np.ndarray) -> np.ndarray:
    """Return (b,) amounts in the shape that applies each to one image."""
    return amounts.astype(np.float32)[:, None, None, None]
