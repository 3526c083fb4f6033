"""RandAugment: a few changes, drawn from a list, of one strength."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from simplug.api import Augmenter, option
from simplug_augmenters import colours
from simplug_augmenters.affine import maps_about_centre, warp
from simplug_augmenters.pixels import as_colours, as_inputs

_Change = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Images, a (b,) sign for each, -1 or 1, and the strength from 0 to 1, to changed images."""


def _moved(images: np.ndarray, **amounts: np.ndarray) -> np.ndarray:
    """Return images under an affine map; what comes into view from outside is the middle grey."""
    count = len(images)
    still = {"angle": np.zeros(count), "shift": np.zeros((count, 2)), "scale": np.ones(count), "shear": np.zeros(count)}
    size = (images.shape[1], images.shape[2])
    maps = maps_about_centre(size, **(still | amounts), mirrored=np.zeros(count, bool))
    return warp(images, maps, 0.5)


def _across(images: np.ndarray, share: np.ndarray, axis: int) -> np.ndarray:
    shift = np.zeros((len(images), 2))
    shift[:, axis] = share * images.shape[1 + axis]
    return _moved(images, shift=shift)


def _upright_shear(images: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Shear along the columns: that along the rows of the transposed image."""
    transposed = np.ascontiguousarray(images.transpose(0, 2, 1, 3))
    return _moved(transposed, shear=degrees).transpose(0, 2, 1, 3)


_SHEAR = float(np.degrees(np.arctan(0.3)))
"""The strongest shear, in degrees: 0.3 of the height."""

_CHANGES: dict[str, _Change] = {
    "identity": lambda images, sign, strength: images,
    "auto_contrast": lambda images, sign, strength: colours.stretched(images),
    "equalize": lambda images, sign, strength: colours.equalized(images),
    "rotate": lambda images, sign, strength: _moved(images, angle=30 * strength * sign),
    "solarize": lambda images, sign, strength: colours.solarized(images, np.full(len(images), 1 - strength)),
    "color": lambda images, sign, strength: colours.saturated(images, 1 + 0.9 * strength * sign),
    "posterize": lambda images, sign, strength: colours.posterized(
        images, np.full(len(images), 2.0 ** (8 - round(4 * strength)))
    ),
    "contrast": lambda images, sign, strength: colours.with_contrast(images, 1 + 0.9 * strength * sign),
    "brightness": lambda images, sign, strength: colours.brightened(images, 1 + 0.9 * strength * sign),
    "sharpness": lambda images, sign, strength: colours.sharpened(images, 1 + 0.9 * strength * sign),
    "shear_x": lambda images, sign, strength: _moved(images, shear=_SHEAR * strength * sign),
    "shear_y": lambda images, sign, strength: _upright_shear(images, _SHEAR * strength * sign),
    "translate_x": lambda images, sign, strength: _across(images, 0.45 * strength * sign, 1),
    "translate_y": lambda images, sign, strength: _across(images, 0.45 * strength * sign, 0),
}


@attrs.frozen
class RandAugment(Augmenter):
    """Changes each image in `changes` ways, drawn from fourteen, all of the strength `magnitude`.

    The ways are: none, stretched contrast, equalized histogram, turn (up to 30 degrees), solarization, saturation,
    posterization (to 4 bits), contrast, brightness, sharpness (by factors from 0.1 to 1.9), shear along either axis (up
    to 0.3), shift along either axis (up to 0.45 of the side); those with a direction go either way. Cubuk et al.,
    "RandAugment: Practical automated data augmentation with a reduced search space", NeurIPS 2020, arXiv:1909.13719.

    Each image has a draw of its own. (``keras.layers.RandAugment`` changes all images of a batch in one way, and its
    chance does not come from the seed of the batch.) Images are (b, height, width, channels), uint8 from 0 to 255 or
    floats from 0 to 1, which the views keep.
    """

    changes: int = option(2, ge=1, le=14, doc="how many changes each image gets, one after the other")
    magnitude: float = option(9.0, ge=0, le=30, doc="the strength of all of them, on the paper's scale from 0 to 30")
    view_count: int = option(1, ge=1, doc="the number of views of each batch, all of them changed")

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return `view_count` changed copies of a batch of images.

        Args:
            inputs: (b, height, width, channels) images; not changed.
            rng: The only source of chance.

        Raises:
            InvalidInputError: The inputs are no such images.
        """
        images = as_colours(inputs, "randaugment")
        return tuple(as_inputs(self._changed(images, rng), inputs.dtype) for _ in range(self.view_count))

    def _changed(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images = images.copy()
        drawn = rng.integers(len(_CHANGES), size=(self.changes, len(images)))
        signs = rng.choice([-1.0, 1.0], size=(self.changes, len(images)))
        for ways, sign in zip(drawn, signs, strict=True):
            for number, change in enumerate(_CHANGES.values()):
                chosen = ways == number
                if chosen.any():
                    images[chosen] = colours.clipped(change(images[chosen], sign[chosen], self.magnitude / 30))
        return images
