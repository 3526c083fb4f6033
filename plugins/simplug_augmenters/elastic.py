"""Images bent like rubber, and turned, shifted, stretched and sheared with it."""

from __future__ import annotations

from functools import lru_cache

import attrs
import numpy as np

from simplug.api import Augmenter, option
from simplug_augmenters.affine import Maps, maps_about_centre, warp
from simplug_augmenters.pixels import require_pixels


@attrs.frozen
class Elastic(Augmenter):
    r"""Bends each image smoothly at random, as another hand would have drawn it.

    Points of a grid over the image are moved at random, normally with the standard deviation `bend`, and what lies
    between them follows along a bicubic spline; the same map then turns, shifts, scales, stretches and shears the
    image as in ``image_basic``, so that pixels are interpolated once. Bending is what Simard et al., "Best Practices
    for Convolutional Neural Networks Applied to Visual Document Analysis", ICDAR 2003, found for handwriting; a coarse
    grid, as of Ronneberger et al., "U-Net", MICCAI 2015, takes a fraction of the time of their smoothed noise.

    Each amount is drawn for each image and each view on its own; but for `bend`, uniformly up to the maximum in both
    directions. Images are (b, height, width, channels), of an integer or floating-point dtype, which the views keep.
    """

    bend: float = option(
        0.05, ge=0, le=0.5, doc="the standard deviation of the points' moves, as a fraction of height and width"
    )
    points: int = option(5, ge=4, le=32, doc="the points of the grid along each axis; more bend it in smaller waves")
    rotation: float = option(10.0, ge=0, le=180, doc="the largest turn, in degrees, either way")
    shift: float = option(0.05, ge=0, le=1, doc="the largest shift along each axis, as a fraction of height and width")
    scale: float = option(0.1, ge=0, doc="the largest change of size: 0.1 draws factors from 1/1.1 to 1.1")
    stretch: float = option(
        0.1, ge=0, doc="the largest change of height over width, at the same area: 0.1 draws ratios from 1/1.1 to 1.1"
    )
    shear: float = option(10.0, ge=0, lt=90, doc="the largest horizontal shear, in degrees, either way")
    fill: float = option(0.0, doc="the pixel value of what comes into view from outside the image")
    view_count: int = option(1, ge=1, doc="the number of views of each batch, all of them changed")

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return `view_count` bent copies of a batch of images.

        Args:
            inputs: (b, height, width, channels) images; not changed.
            rng: The only source of chance.

        Raises:
            InvalidInputError: The inputs are no such images, or `fill` does not fit their dtype.
        """
        require_pixels(inputs, self.fill, "elastic")
        return tuple(self._view(inputs, rng) for _ in range(self.view_count))

    def _view(self, inputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        count, height, width, _ = inputs.shape
        maps = self._maps(count, (height, width), rng)
        bends = self._bends(count, (height, width), rng) if self.bend else None
        return warp(inputs, maps, self.fill, bends)

    def _maps(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Maps:
        angle, down, right, growth, ratio, shear = rng.uniform(-1, 1, (6, count))
        scale, stretch = (1 + self.scale) ** growth, (1 + self.stretch) ** (ratio / 2)
        return maps_about_centre(
            size,
            angle=angle * self.rotation,
            shift=np.stack([down * self.shift * size[0], right * self.shift * size[1]], axis=1),
            scale=np.stack([scale * stretch, scale / stretch], axis=1),
            shear=shear * self.shear,
            mirrored=np.zeros(count, dtype=bool),
        )

    def _bends(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Return how far each pixel is moved, (count, 2, height, width) float32 pixels, down and to the right."""
        down, across = spline_weights(size[0], self.points), spline_weights(size[1], self.points)
        moves = rng.standard_normal((count, 2, self.points, self.points), dtype=np.float32)
        moves *= (self.bend * np.array(size, dtype=np.float32))[:, None, None]
        bends: np.ndarray = down @ moves @ across.T
        return bends


@lru_cache(maxsize=16)
def spline_weights(pixels: int, points: int) -> np.ndarray:
    """Return (pixels, points) float32: what each of some evenly spaced points weighs at each pixel of a cubic spline.

    The first point is at the first pixel and the last at the last.
    """
    from scipy.interpolate import make_interp_spline

    spline = make_interp_spline(np.linspace(0, 1, points), np.eye(points), k=3)
    weights: np.ndarray = spline(np.linspace(0, 1, pixels)).astype(np.float32)
    return weights
