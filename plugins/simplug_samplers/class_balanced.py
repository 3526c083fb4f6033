"""Batches of a few classes with the same number of examples each."""

from __future__ import annotations

import warnings

import attrs
import numpy as np

from simplug.api import Augmenter, Batches, DataError, InvalidInputError, PlannedBatches, Sampler, Split, option


class SmallClassWarning(UserWarning):
    """A class has fewer examples than a batch takes of it, so that a batch holds some of them more than once."""


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
        if steps < 1:
            raise InvalidInputError(f"sampler class_balanced: steps must be at least 1, not {steps}")
        labels, counts = np.unique(split.labels, return_counts=True)
        if len(labels) < self.classes_per_batch:
            raise DataError(
                f"sampler class_balanced: the data set has {len(labels)} classes to train on, fewer than "
                f"classes_per_batch = {self.classes_per_batch}"
            )
        self._warn_of_small_classes(labels, counts)
        rows = np.split(np.argsort(split.labels, kind="stable"), np.cumsum(counts)[:-1])

        def plan(rng: np.random.Generator) -> np.ndarray:
            return epoch_plan(rows, steps, self.classes_per_batch, self.examples_per_class, rng)

        return PlannedBatches(split, plan, seed=seed, augmenter=augmenter)

    def _warn_of_small_classes(self, labels: np.ndarray, counts: np.ndarray) -> None:
        small = np.flatnonzero(counts < self.examples_per_class)
        if small.size:
            listing = ", ".join(f"{labels[i]} has {counts[i]}" for i in small[:5])
            warnings.warn(
                f"sampler class_balanced: {len(small)} of {len(labels)} classes have fewer examples than "
                f"examples_per_class = {self.examples_per_class}, so batches repeat some of them: "
                f"class {listing}{', ...' if len(small) > 5 else ''}",
                SmallClassWarning,
                stacklevel=3,
            )


def epoch_plan(
    rows: list[np.ndarray], steps: int, classes_per_batch: int, examples_per_class: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the rows of each batch of an epoch, (steps, classes_per_batch * examples_per_class).

    Args:
        rows: The rows of each class; at least `classes_per_batch` classes.
        steps: The number of batches.
        classes_per_batch: The number of different classes in a batch.
        examples_per_class: The number of rows of each class in a batch.
        rng: The source of chance.
    """
    classes = blocks_from_passes(len(rows), classes_per_batch, steps, rng).reshape(-1)
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
