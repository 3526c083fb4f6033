"""Batches of a few classes with the same number of examples each."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, Batches, PlannedBatches, Sampler, Split, option
from simplug_samplers.members import Members, require_steps
from simplug_samplers.passes import blocks_from_passes, rows_of_classes


@attrs.frozen
class ClassBalanced(Sampler):
    """Batches of P classes with K examples each, the same number of times for every class and every example.

    The classes of a batch are different, and over an epoch each class comes as often as any other, up to one: classes
    are taken from shuffled passes over all of them. The examples of a class are taken from shuffled passes likewise, so
    a batch holds no example twice, and all examples of a class are seen before one comes again. A class with fewer than
    K examples is allowed, with a warning: its examples are then repeated within a batch, each as often as any other, up
    to one.

    Classes are met in shuffled order and stand together in a batch. The default batch has 48 examples.
    """

    classes_per_batch: int = option(6, ge=2, doc="P, the number of different classes in a batch")
    examples_per_class: int = option(
        8,
        ge=1,
        doc="K, the number of examples of each class; with 1, positives can only come from an augmenter's views",
    )

    def batches(self, split: Split, *, steps: int, seed: int, augmenter: Augmenter | None = None) -> Batches:
        """Return the batches of a split.

        Args:
            split: The examples to draw from.
            steps: The number of batches in an epoch, at least 1.
            seed: The same seed, from 0 on, gives the same batches.
            augmenter: Makes the views of each batch; their labels are repeated, view after view.

        Raises:
            DataError: The split has fewer classes than a batch.
            InvalidInputError: `steps` or `seed` is out of range.
        """
        require_steps("class_balanced", steps)
        members = Members.of(split)
        members.require("class_balanced", "classes_per_batch", self.classes_per_batch)
        members.warn_of_small("class_balanced", self.examples_per_class)

        def plan(rng: np.random.Generator) -> np.ndarray:
            classes = blocks_from_passes(len(members.rows), self.classes_per_batch, steps, rng)
            return rows_of_classes(members.rows, classes, self.examples_per_class, rng)

        return PlannedBatches(split, plan, seed=seed, augmenter=augmenter)
