"""The two views of SimCLR."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, option
from simplug_augmenters.two_views import Recipe, view


@attrs.frozen
class SimClrViews(Augmenter):
    """Two views of each image: a crop, mirrored or not, with jittered colours, perhaps grey, perhaps blurred.

    Crops show from `smallest_area` of the image on, with aspect ratios from 3/4 to 4/3, at the size of the image.
    Brightness, contrast and saturation change by factors from ``1 - 0.8 strength`` to ``1 + 0.8 strength``, the hue by
    up to ``0.2 strength`` of a turn, for four images of five; one image of five loses its colour, every other is
    blurred, by a Gaussian of 0.1 to 2 pixels in an image of 224. Chen et al., "A Simple Framework for Contrastive
    Learning of Visual Representations", ICML 2020, arXiv:2002.05709, appendix A.

    Images are (b, height, width, channels), uint8 from 0 to 255 or floats from 0 to 1, which the views keep. Hue and
    saturation are those of three channels. For small grey images, such as digits, a larger `smallest_area` and no flip
    keep what makes the class.
    """

    strength: float = option(1.0, ge=0, le=1.25, doc="of the changes of colour; the paper has 1, and 0.5 for CIFAR-10")
    smallest_area: float = option(0.08, gt=0, le=1, doc="the smallest share of the area of an image that a view shows")
    flip: bool = option(True, doc="whether half of the views, drawn at random, are mirrored left to right")
    jitter: float = option(0.8, ge=0, le=1, doc="the probability of a change of brightness, contrast, saturation, hue")
    greyscale: float = option(0.2, ge=0, le=1, doc="the probability of losing the colour")
    blur: float = option(0.5, ge=0, le=1, doc="the probability of a blur; the paper has none for CIFAR-10")

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return two views of a batch of images.

        Args:
            inputs: (b, height, width, channels) images; not changed.
            rng: The only source of chance.

        Raises:
            InvalidInputError: The inputs are no such images.
        """
        recipe = Recipe(
            smallest_area=self.smallest_area,
            flip=self.flip,
            brightness=0.8 * self.strength,
            contrast=0.8 * self.strength,
            saturation=0.8 * self.strength,
            hue=0.2 * self.strength,
            jitter=self.jitter,
            greyscale=self.greyscale,
            blur=self.blur,
            solarize=0.0,
        )
        return view(inputs, recipe, rng, "simclr"), view(inputs, recipe, rng, "simclr")
