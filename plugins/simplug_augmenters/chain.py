"""Several augmenters, one after the other."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, Split, components


@attrs.frozen
class Chain(Augmenter):
    """Applies augmenters one after the other, each to the views that those before it have made.

    There are as many views as the numbers of views of all of them, multiplied: after one that makes a single view,
    ``simclr`` makes two. Classes that one of them adds are there for the next.
    """

    augmenters: tuple[Augmenter, ...] = components("augmenter", default=("image_basic",), doc="the first comes first")

    def __attrs_post_init__(self) -> None:
        if not self.augmenters:
            raise ValueError("augmenters is empty; name at least one")

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return the views that the last one makes of the views before it.

        Args:
            inputs: (b, ...) examples; not changed.
            rng: The only source of chance.

        Raises:
            InvalidInputError: One of them does not take such inputs.
        """
        views: tuple[np.ndarray, ...] = (inputs,)
        for augmenter in self.augmenters:
            views = tuple(made for view in views for made in augmenter.views(view, rng))
        return views

    def with_classes(self, split: Split) -> Split:
        """Return the examples with the classes that each of them adds, in turn."""
        for augmenter in self.augmenters:
            split = augmenter.with_classes(split)
        return split
