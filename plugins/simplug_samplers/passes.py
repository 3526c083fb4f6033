"""Rows taken from shuffled passes, so that each comes as often as any other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rows_of_classes(
    rows: Sequence[np.ndarray], classes: np.ndarray, examples_per_class: int, rng: np.random.Generator
) -> np.ndarray:
    """Return rows of the classes of each batch of an epoch.

    The rows of a class are taken from shuffled passes over all of them.

    Args:
        rows: The rows of each class.
        classes: (steps, c) numbers of classes, the different ones of a batch together.
        examples_per_class: How many rows of each.
        rng: The source of chance.

    Returns:
        (steps, c * examples_per_class) int64; the rows of a class stand together.
    """
    steps = len(classes)
    classes = classes.reshape(-1)
    plan = np.empty((classes.size, examples_per_class), dtype=np.int64)
    # Sorted by class, the places of one class are a range: no search through the plan for each class.
    places = np.argsort(classes, kind="stable")
    present, starts = np.unique(classes[places], return_index=True)
    for label, at in zip(present, np.split(places, starts[1:]), strict=True):
        members = rows[label]
        plan[at] = members[blocks_from_passes(len(members), examples_per_class, len(at), rng)]
    return plan.reshape(steps, -1)


def blocks_from_passes(population: int, size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return blocks of numbers below `population`, taken one after another from shuffled passes over all of them.

    Over all blocks together each number comes as often as any other, up to one, and so it does within a block: a block
    has no number twice if `size` is at most `population`.

    Args:
        population: How many numbers there are.
        size: The length of a block.
        count: The number of blocks.
        rng: The source of chance.

    Returns:
        (count, size) int64.
    """
    needed = size * count
    passes = rng.permuted(np.tile(np.arange(population), (-(-needed // population), 1)), axis=1)
    numbers = passes.reshape(-1)
    for index in range(1, len(passes)):
        # A block that begins inside one pass and ends inside this one must not take at its end what it took at its
        # beginning; the whole passes between the two hold every number once.
        begin = index * population // size * size
        end = begin + size
        at_begin = -begin % population
        if at_begin and end <= (index + 1) * population:
            passes[index] = _put_off(passes[index], numbers[begin : begin + at_begin], end - index * population)
    return numbers[:needed].reshape(count, size)


def _put_off(numbers: np.ndarray, earlier: np.ndarray, head: int) -> np.ndarray:
    """Return the numbers, otherwise in their order, so that as few as possible of the first `head` are in `earlier`."""
    is_earlier = np.zeros(len(numbers), dtype=bool)
    is_earlier[earlier] = True
    first = np.flatnonzero(~is_earlier[numbers])[:head]
    is_first = np.zeros(len(numbers), dtype=bool)
    is_first[first] = True
    return np.concatenate([numbers[is_first], numbers[~is_first]])
