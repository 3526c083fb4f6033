"""Batches of classes that have a super-class in common."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from simplug.api import option
from simplug_samplers.groups import GroupSampler
from simplug_samplers.passes import blocks_from_passes, rows_of_classes


@attrs.frozen
class Hierarchical(GroupSampler):
    """Batches of a few super-classes, with some classes of each and the same number of examples of each class.

    Classes of one super-class are hard to tell apart, so such batches hold hard negatives without any mining: Cakir et
    al., "Deep Metric Learning to Rank", CVPR 2019, which calls for two super-classes a batch. Super-classes come as
    often as the number of their classes asks for, so that each class comes about as often as any other; those with
    fewer than `classes_per_group` classes never do. With `share` below 1, the other batches hold as many classes,
    drawn from all. The default batch has 48 examples.

    Groups are those of the data set, such as the alphabets of Omniglot or the column of categories of a table.
    """

    name: ClassVar[str] = "hierarchical"

    share: float = option(1.0, gt=0, le=1, doc="the share of batches that are of few super-classes")

    def classes(self, groups: list[np.ndarray], count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
        """Return the classes of each batch of an epoch; see :class:`GroupSampler`."""
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
