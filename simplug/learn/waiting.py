"""Examples that wait, by class, until there are enough of them for a batch."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np


@attrs.define
class StreamCounts:
    """What became of the elements that were read.

    Attributes:
        read: Elements that were read.
        batches: Batches that were given.
        dropped: Examples left out because too many of their class, or too many classes, were waiting.
        dropped_classes: How often a class was left out because too many classes were waiting.
        unlisted: Examples of classes that are not asked for.
    """

    read: int = 0
    batches: int = 0
    dropped: int = 0
    dropped_classes: int = 0
    unlisted: int = 0


class Waiting:
    """Examples by the number of their class, no more than so many of a class and so many classes.

    Args:
        classes_per_batch: P, the classes of a batch.
        examples_per_class: K, the examples of each.
        per_class: The most examples of a class, at least K.
        classes: The most classes, at least P.
        rng: Draws the classes and the examples of a batch, and those that make room.
        counts: Hears of what is left out.
    """

    def __init__(
        self,
        classes_per_batch: int,
        examples_per_class: int,
        per_class: int,
        classes: int,
        rng: np.random.Generator,
        counts: StreamCounts,
    ) -> None:
        self._wanted, self._needed = classes_per_batch, examples_per_class
        self._per_class, self._classes = per_class, classes
        self._rng = rng
        self._counts = counts
        # The class unseen for longest comes first.
        self._examples: dict[int, list[Any]] = {}
        self._full: dict[int, None] = {}

    @property
    def is_ready(self) -> bool:
        """Whether there is a batch."""
        return len(self._full) >= self._wanted

    @property
    def sizes(self) -> dict[int, int]:
        """How many examples of each class wait."""
        return {number: len(examples) for number, examples in self._examples.items()}

    def put(self, number: int, example: Any) -> None:
        """Let an example wait; one that waits already may have to go."""
        examples = self._examples.pop(number, [])
        if not examples and len(self._examples) >= self._classes:
            oldest = next(iter(self._examples))
            self._counts.dropped += len(self._examples.pop(oldest))
            self._counts.dropped_classes += 1
            self._full.pop(oldest, None)
        self._examples[number] = examples
        if len(examples) < self._per_class:
            examples.append(example)
        else:
            self._counts.dropped += 1
            examples[self._rng.integers(len(examples))] = example
        if len(examples) >= self._needed:
            self._full[number] = None

    def take(self) -> tuple[np.ndarray, list[Any]]:
        """Return the labels (P * K,) and the examples of a batch, class after class; they no longer wait."""
        chosen = self._rng.choice(np.fromiter(self._full, dtype=np.int64), self._wanted, replace=False)
        taken = [example for number in chosen.tolist() for example in self._take_from(number)]
        return np.repeat(chosen, self._needed), taken

    def _take_from(self, number: int) -> list[Any]:
        examples = self._examples[number]
        taken = [examples.pop(self._rng.integers(len(examples))) for _ in range(self._needed)]
        if len(examples) < self._needed:
            del self._full[number]
        if not examples:
            del self._examples[number]
        return taken
