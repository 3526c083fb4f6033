"""Batches of classes that have a super-class in common."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, Batches, PlannedBatches, Sampler, Split, option
from simplug_samplers.groups import classes_of_groups, large_groups
from simplug_samplers.members import Members, require_steps
from simplug_samplers.passes import blocks_from_passes, rows_of_classes


@attrs.frozen
class Hierarchical(Sampler):
    """Batches of a few super-classes, with some classes of each and the same number of examples of each class.

    Classes of one super-class are hard to tell apart, so such batches hold hard negatives without any mining: Cakir et
    al., "Deep Metric Learning to Rank", CVPR 2019, which calls for two super-classes a batch. Super-classes come as
    often as the number of their classes asks for, so that each class comes about as often as any other; those with
    fewer than `classes_per_group` classes never do. With `share` below 1, the other batches hold as many classes,
    drawn from all. The default batch has 48 examples.

    Groups are those of the data set, such as the alphabets of Omniglot or the column of categories of a table.
    """

    groups_per_batch: int = option(2, ge=1, doc="the number of different super-classes in a batch")
    classes_per_group: int = option(3, ge=1, doc="the number of different classes of each super-class")
    examples_per_class: int = option(8, ge=1, doc="the number of examples of each class")
    share: float = option(1.0, gt=0, le=1, doc="the share of batches that are of few super-classes")

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
        require_steps("hierarchical", steps)
        members = Members.of(split)
        groups = classes_of_groups("hierarchical", split, members)
        groups = large_groups("hierarchical", groups, self.groups_per_batch, self.classes_per_group)
        members.warn_of_small("hierarchical", self.examples_per_class)

        def plan(rng: np.random.Generator) -> np.ndarray:
            classes = self._classes(groups, len(members.rows), steps, rng)
            return rows_of_classes(members.rows, classes, self.examples_per_class, rng)

        return PlannedBatches(split, plan, seed=seed, augmenter=augmenter)

    def _classes(self, groups: list[np.ndarray], count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
        """Return the (steps, groups_per_batch * classes_per_group) classes of each batch."""
        within = even_choices(np.array([len(group) for group in groups]), self.groups_per_batch, steps, rng)
        classes = rows_of_classes(groups, within, self.classes_per_group, rng)
        mixed = rng.permutation(steps) >= round(self.share * steps)
        if mixed.any():
            classes[mixed] = blocks_from_passes(count, classes.shape[1], int(mixed.sum()), rng)
        return classes


def even_choices(weights: np.ndarray, size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (count, size) different numbers each time, each as often as its weight asks for.

    A number whose weight asks for more than every time comes every time.

    Args:
        weights: (n,) positive weights, n at least `size`.
        size: How many are chosen at once.
        count: How often.
        rng: The source of chance.
    """
    # What each is owed grows with its weight; those that are owed the most are chosen, and have had one.
    owed = rng.uniform(size=len(weights))
    rates = size * weights / weights.sum()
    chosen = np.empty((count, size), dtype=np.int64)
    for step in range(count):
        owed += rates
        chosen[step] = np.argpartition(-owed, size - 1)[:size]
        owed[chosen[step]] -= 1
    rng.shuffle(chosen)
    return chosen
