"""The two views of BYOL and Barlow Twins."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, option
from simplug_augmenters.two_views import Recipe, view


@attrs.frozen
class BarlowTwinsViews(Augmenter):
    """Two views of each image that are made differently: one always blurred, the other seldom, but solarized at times.

    Crops are those of SimCLR. Brightness and contrast change by factors from 0.6 to 1.4, the saturation from 0.8 to
    1.2, the hue by up to a tenth of a turn, for four images of five; one image of five loses its colour. The first view
    is blurred, the second in one case of ten; the second is solarized in one case of five. Zbontar et al., "Barlow
    Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021, arXiv:2103.03230, after Grill et al.,
    "Bootstrap Your Own Latent", NeurIPS 2020, arXiv:2006.07733, appendix B.

    Images are (b, height, width, channels), uint8 from 0 to 255 or floats from 0 to 1, which the views keep.
    """

    smallest_area: float = option(0.08, gt=0, le=1, doc="the smallest share of the area of an image that a view shows")
    flip: bool = option(True, doc="whether half of the views, drawn at random, are mirrored left to right")
    jitter: float = option(0.8, ge=0, le=1, doc="the probability of a change of brightness, contrast, saturation, hue")
    greyscale: float = option(0.2, ge=0, le=1, doc="the probability of losing the colour")
    blur: tuple[float, float] = option((1.0, 0.1), doc="the probability of a blur, of the first and the second view")
    solarize: tuple[float, float] = option(
        (0.0, 0.2), doc="the probability of inverting what is light, of the first and the second view"
    )

    def __attrs_post_init__(self) -> None:
        for name in ("blur", "solarize"):
            outside = [value for value in getattr(self, name) if not 0 <= value <= 1]
            if outside:
                raise ValueError(f"{name} holds {outside[0]}; probabilities are from 0 to 1")

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return two views of a batch of images.

        Args:
            inputs: (b, height, width, channels) images; not changed.
            rng: The only source of chance.

        Raises:
            InvalidInputError: The inputs are no such images.
        """
        return tuple(view(inputs, self._recipe(which), rng, "barlow_twins") for which in (0, 1))

    def _recipe(self, which: int) -> Recipe:
        return Recipe(
            smallest_area=self.smallest_area,
            flip=self.flip,
            brightness=0.4,
            contrast=0.4,
            saturation=0.2,
            hue=0.1,
            jitter=self.jitter,
            greyscale=self.greyscale,
            blur=self.blur[which],
            solarize=self.solarize[which],
        )
