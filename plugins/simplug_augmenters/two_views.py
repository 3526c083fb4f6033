"""One view of a batch as self-supervised training wants it: cropped, mirrored, and changed in colour at random."""

from __future__ import annotations

import math

import attrs
import numpy as np

from simplug_augmenters import colours
from simplug_augmenters.affine import Maps, warp
from simplug_augmenters.pixels import as_colours, as_inputs

_ASPECTS = (3 / 4, 4 / 3)
"""The aspect ratios of crops, as Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, drew them."""

_SIGMAS = (0.1, 2.0)
"""The standard deviations of blurs, in pixels of an image of 224."""


@attrs.frozen
class Recipe:
    """How a view is made; probabilities are those of each image.

    Attributes:
        smallest_area: The smallest share of the image's area that a crop shows; 1 crops nothing.
        flip: Whether half of the images are mirrored left to right.
        brightness: Factors are from 1 minus this, at least 0, to 1 plus this.
        contrast: Likewise.
        saturation: Likewise.
        hue: The largest turn of the hue either way, in whole turns.
        jitter: The probability of these four.
        greyscale: The probability of losing the colour.
        blur: The probability of a blur.
        solarize: The probability of inverting what is lighter than the middle.
    """

    smallest_area: float
    flip: bool
    brightness: float
    contrast: float
    saturation: float
    hue: float
    jitter: float
    greyscale: float
    blur: float
    solarize: float


def view(inputs: np.ndarray, recipe: Recipe, rng: np.random.Generator, who: str) -> np.ndarray:
    """Return a view of images, with their shape and dtype.

    The four changes of colour come in an order that is drawn for the batch.

    Args:
        inputs: (b, height, width, channels): uint8, or floats from 0 to 1; not changed.
        recipe: How it is made.
        rng: The only source of chance.
        who: The name of the augmenter, for the message of an error.
    """
    images = as_colours(inputs, who)
    if not len(images):
        return inputs.copy()
    count, height, width, _ = images.shape
    images = warp(images, _crops(count, (height, width), recipe, rng))
    images = _jittered(images, recipe, rng)
    images = _where(_drawn(recipe.greyscale, count, rng), colours.grey(images), images)
    chosen = _drawn(recipe.blur, count, rng)
    sigma = rng.uniform(*_SIGMAS, size=count) * max(height, width) / 224
    if chosen.any():
        images[chosen] = colours.blurred(images[chosen], np.maximum(sigma[chosen], 1e-3))
    solarized = colours.solarized(images, np.full(count, 0.5))
    return as_inputs(_where(_drawn(recipe.solarize, count, rng), solarized, images), inputs.dtype)


def _crops(count: int, size: tuple[int, int], recipe: Recipe, rng: np.random.Generator) -> Maps:
    """Return the maps that bring a crop of each image to the size of the image, mirrored or not."""
    height, width = size
    area = rng.uniform(recipe.smallest_area, 1, count)
    aspect = np.exp(rng.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1]), count))
    if recipe.smallest_area == 1:
        aspect = np.full(count, width / height)
    place, side = rng.uniform(size=(2, count)), rng.uniform(size=count)
    tall = np.minimum(np.sqrt(area * height * width / aspect), height)
    wide = np.minimum(np.sqrt(area * height * width * aspect), width)
    # The outermost pixels of a crop are those of the view, so nothing from outside the image comes into it.
    down, across = (tall - 1) / max(height - 1, 1), (wide - 1) / max(width - 1, 1)
    down, across = np.maximum(down, 0), np.maximum(across, 0)
    mirrored = (side < 0.5) & recipe.flip
    left = place[1] * (width - 1) * (1 - across)
    matrix = np.zeros((count, 2, 2))
    matrix[:, 0, 0] = down
    matrix[:, 1, 1] = np.where(mirrored, -across, across)
    top = place[0] * (height - 1) * (1 - down)
    return Maps(matrix, np.stack([top, np.where(mirrored, left + across * (width - 1), left)], axis=1))


def _jittered(images: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    count = len(images)
    amounts = rng.uniform(-1, 1, size=(4, count))
    chosen = _drawn(recipe.jitter, count, rng)
    changes = (
        (colours.brightened, np.maximum(1 + amounts[0] * recipe.brightness, 0), recipe.brightness),
        (colours.with_contrast, np.maximum(1 + amounts[1] * recipe.contrast, 0), recipe.contrast),
        (colours.saturated, np.maximum(1 + amounts[2] * recipe.saturation, 0), recipe.saturation),
        (colours.with_hue, amounts[3] * recipe.hue, recipe.hue),
    )
    changed = images[chosen]
    for which in rng.permutation(len(changes)):
        change, amount, strength = changes[which]
        if strength and len(changed):
            changed = colours.clipped(change(changed, amount[chosen]))
    images[chosen] = changed
    return images


def _drawn(probability: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (count,) booleans that are true with a probability."""
    return np.asarray(rng.uniform(size=count) < probability)


def _where(chosen: np.ndarray, changed: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the changed images where they are chosen, and the others as they are."""
    return np.where(chosen[:, None, None, None], changed, images)
