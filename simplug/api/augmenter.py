"""The contract of augmenters: a batch of inputs to its views."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from simplug.api.dataset import Split
from simplug.kernel.component import Component


class Augmenter(Component, ABC):
    """Changes inputs at random in ways that keep their class; runs in the input pipeline, in NumPy."""

    kind: ClassVar[str] = "augmenter"

    @abstractmethod
    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return one or more views of a batch.

        Args:
            inputs: (b, ...) examples, as the data set gives them; not to be changed in place.
            rng: The only source of chance.

        Returns:
            Arrays with the shape and dtype of `inputs`, one a view.
        """

    def with_classes(self, split: Split) -> Split:
        """Return the examples to train on, with those that this augmenter makes classes of their own.

        Most augmenters make none, and return the split as it is.

        Args:
            split: The examples to train on; labels count from 0.

        Returns:
            The examples of the split, and further ones, whose labels count on; nothing is read from a file.
        """
        return split
