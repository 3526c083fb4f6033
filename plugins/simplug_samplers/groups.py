"""What samplers have in common that know groups of classes: super-classes, alphabets or categories."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import attrs
import numpy as np

from simplug.api import Augmenter, Batches, DataError, PlannedBatches, Sampler, Split, option
from simplug_samplers.members import Members, require_steps
from simplug_samplers.passes import rows_of_classes


@attrs.frozen
class GroupSampler(Sampler, ABC):
    """Batches of classes that are chosen by their groups, with the same number of examples each."""

    name: ClassVar[str]
    """What errors and warnings call the sampler."""

    groups_per_batch: int = option(2, ge=1, doc="the number of different groups in a batch")
    classes_per_group: int = option(3, ge=1, doc="the number of different classes of each group")
    examples_per_class: int = option(8, ge=1, doc="the number of examples of each class")

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
        require_steps(self.name, steps)
        members = Members.of(split)
        groups = _large_groups(self, _classes_of_groups(self.name, split, members))
        members.warn_of_small(self.name, self.examples_per_class)

        def plan(rng: np.random.Generator) -> np.ndarray:
            classes = self.classes(groups, len(members.rows), steps, rng)
            return rows_of_classes(members.rows, classes, self.examples_per_class, rng)

        return PlannedBatches(split, plan, seed=seed, augmenter=augmenter)

    @abstractmethod
    def classes(self, groups: list[np.ndarray], count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
        """Return the (steps, groups_per_batch * classes_per_group) classes of each batch of an epoch.

        Args:
            groups: The classes of each group that has enough of them.
            count: The number of all classes.
            steps: The number of batches.
            rng: The only source of chance.
        """


def _classes_of_groups(who: str, split: Split, members: Members) -> list[np.ndarray]:
    """Return the numbers of the classes of each group, in the order of `members`.

    Args:
        who: The name of the sampler, for the message of an error.
        split: The examples, with groups.
        members: Their classes.

    Raises:
        DataError: The data set knows no groups, or a class belongs to two of them.
    """
    if split.groups is None:
        raise DataError(
            f"sampler {who}: the data set has no groups above the classes, such as super-classes or categories; "
            "class_balanced needs none"
        )
    first = np.array([split.groups[rows[0]] for rows in members.rows])
    # They are counted and not named: a run numbers the classes that it trains on anew.
    torn = sum(bool((split.groups[rows] != group).any()) for rows, group in zip(members.rows, first, strict=True))
    if torn:
        raise DataError(
            f"sampler {who}: {torn} of {len(first)} classes have examples in several groups; a class belongs to one"
        )
    return [np.flatnonzero(first == group) for group in np.unique(first)]


def _large_groups(sampler: GroupSampler, groups: list[np.ndarray]) -> list[np.ndarray]:
    """Return the groups that have as many classes as a batch takes of each.

    Raises:
        DataError: There are fewer of them than a batch takes.
    """
    large = [group for group in groups if len(group) >= sampler.classes_per_group]
    if len(large) < sampler.groups_per_batch:
        raise DataError(
            f"sampler {sampler.name}: {len(large)} of {len(groups)} groups have at least classes_per_group = "
            f"{sampler.classes_per_group} classes, fewer than groups_per_batch = {sampler.groups_per_batch}"
        )
    return large
