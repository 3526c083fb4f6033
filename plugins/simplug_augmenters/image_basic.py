"""Small random turns, shifts, changes of size, shears and mirroring of images."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, option
from simplug_augmenters.affine import Maps, maps_about_centre, warp
from simplug_augmenters.pixels import require_pixels


@attrs.frozen
class ImageBasic(Augmenter):
    """Turns, shifts and scales each image a little, by one random affine map.

    Each amount is drawn for each image and each view on its own, uniformly up to the maximum in both directions. The
    content is mirrored, sheared, scaled and turned about the centre of the image, then shifted; pixels are
    interpolated bilinearly, once. Images are (b, height, width, channels), of an integer or floating-point dtype,
    which the views keep.
    """

    rotation: float = option(10.0, ge=0, le=180, doc="the largest turn, in degrees, either way")
    shift: float = option(0.1, ge=0, le=1, doc="the largest shift along each axis, as a fraction of height and width")
    scale: float = option(0.0, ge=0, doc="the largest change of size: 0.1 draws factors from 1/1.1 to 1.1")
    shear: float = option(0.0, ge=0, lt=90, doc="the largest horizontal shear, in degrees, either way")
    flip: bool = option(False, doc="whether half of the images, drawn at random, are mirrored left to right")
    fill: float = option(0.0, doc="the pixel value of what comes into view from outside the image")
    view_count: int = option(1, ge=1, doc="the number of views of each batch, all of them changed")

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return `view_count` changed copies of a batch of images.

        Args:
            inputs: (b, height, width, channels) images; not changed.
            rng: The only source of chance.

        Raises:
            InvalidInputError: The inputs are no such images, or `fill` does not fit their dtype.
        """
        require_pixels(inputs, self.fill, "image_basic")
        count, height, width, _ = inputs.shape
        return tuple(warp(inputs, self._maps(count, (height, width), rng), self.fill) for _ in range(self.view_count))

    def _maps(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Maps:
        # Everything is drawn, needed or not, so that one setting does not change what is drawn for another.
        angle, down, right, growth, shear, side = rng.uniform(-1, 1, (6, count))
        return maps_about_centre(
            size,
            angle=angle * self.rotation,
            shift=np.stack([down * self.shift * size[0], right * self.shift * size[1]], axis=1),
            scale=(1 + self.scale) ** growth,
            shear=shear * self.shear,
            mirrored=(side < 0) & self.flip,
        )
