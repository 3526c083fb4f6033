"""Batches in which every category comes as often as any other."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from simplug.api import option
from simplug_samplers.groups import GroupSampler
from simplug_samplers.passes import blocks_from_passes, rows_of_classes


@attrs.frozen
class CategoryBalanced(GroupSampler):
    """Batches of a few categories, each as often as any other, with the same number of classes and examples of each.

    Where some categories have many classes and others few, as shops have of shirts and of belts, the small ones are
    not lost among the large: categories are taken from shuffled passes over all of them, the classes of a category
    from shuffled passes over its classes. Classes of small categories so come more often than others. Categories with
    fewer than `classes_per_group` classes never come. The default batch has 48 examples.
    """

    name: ClassVar[str] = "category_balanced"

    groups_per_batch: int = option(3, ge=1, doc="the number of different categories in a batch")
    classes_per_group: int = option(4, ge=1, doc="the number of different classes of each category")
    examples_per_class: int = option(4, ge=1, doc="the number of examples of each class")

    def classes(self, groups: list[np.ndarray], count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
        """Return the classes of each batch of an epoch; see :class:`GroupSampler`."""
        chosen = blocks_from_passes(len(groups), self.groups_per_batch, steps, rng)
        return rows_of_classes(groups, chosen, self.classes_per_group, rng)
