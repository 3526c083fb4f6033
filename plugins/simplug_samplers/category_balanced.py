"""Batches in which every category comes as often as any other."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, Batches, PlannedBatches, Sampler, Split, option
from simplug_samplers.groups import classes_of_groups, large_groups
from simplug_samplers.members import Members, require_steps
from simplug_samplers.passes import blocks_from_passes, rows_of_classes


@attrs.frozen
class CategoryBalanced(Sampler):
    """Batches of a few categories, each as often as any other, with the same number of classes and examples of each.

    Where some categories have many classes and others few, as shops have of shirts and of belts, the small ones are
    not lost among the large: categories are taken from shuffled passes over all of them, the classes of a category
    from shuffled passes over its classes. Classes of small categories so come more often than others. Categories with
    fewer than `classes_per_group` classes never come. The default batch has 48 examples.
    """

    groups_per_batch: int = option(3, ge=1, doc="the number of different categories in a batch")
    classes_per_group: int = option(4, ge=1, doc="the number of different classes of each category")
    examples_per_class: int = option(4, ge=1, doc="the number of examples of each class")

    def batches(self, split: Split, *, steps: int, seed: int, augmenter: Augmenter | None = None) -> Batches:
        """Return the batches of a split.

        Args:
            split: The examples to draw from, with groups.
            steps: The number of batches in an epoch, at least 1.
            seed: The same seed, from 0 on, gives the same batches.
            augmenter: Makes the views of each batch; their labels are repeated, view after view.

        Raises:
            DataError: The split has no groups, or too few of them have enough classes.
            InvalidInputError: `steps` or `seed` is out of range.
        """
        require_steps("category_balanced", steps)
        members = Members.of(split)
        groups = classes_of_groups("category_balanced", split, members)
        groups = large_groups("category_balanced", groups, self.groups_per_batch, self.classes_per_group)
        members.warn_of_small("category_balanced", self.examples_per_class)

        def plan(rng: np.random.Generator) -> np.ndarray:
            chosen = blocks_from_passes(len(groups), self.groups_per_batch, steps, rng)
            classes = rows_of_classes(groups, chosen, self.classes_per_group, rng)
            return rows_of_classes(members.rows, classes, self.examples_per_class, rng)

        return PlannedBatches(split, plan, seed=seed, augmenter=augmenter)
