"""The classes of each group of a split: of each super-class, alphabet or category."""

from __future__ import annotations

import numpy as np

from simplug.api import DataError, Split
from simplug_samplers.members import Members


def classes_of_groups(who: str, split: Split, members: Members) -> list[np.ndarray]:
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


def large_groups(who: str, groups: list[np.ndarray], groups_per_batch: int, classes_per_group: int) -> list[np.ndarray]:
    """Return the groups that have as many classes as a batch takes of each.

    Raises:
        DataError: There are fewer of them than a batch takes.
    """
    large = [group for group in groups if len(group) >= classes_per_group]
    if len(large) < groups_per_batch:
        raise DataError(
            f"sampler {who}: {len(large)} of {len(groups)} groups have at least "
            f"classes_per_group = {classes_per_group} classes, fewer than groups_per_batch = {groups_per_batch}"
        )
    return large
