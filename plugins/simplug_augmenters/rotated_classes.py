"""Turned and mirrored images as classes of their own."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, Examples, Inputs, InvalidInputError, Shape, Split, option
from simplug_augmenters.pixels import require_images


@attrs.frozen
class RotatedClasses(Augmenter):
    """Makes every class, turned by 90, 180 and 270 degrees, a further class: four times as many to train on.

    It is for images whose orientation belongs to the class, such as characters: Santoro et al., "Meta-Learning with
    Memory-Augmented Neural Networks", ICML 2016, for Omniglot. With `mirrored`, every class and every turned class
    seen in a mirror is a further one: eight times as many. Of a class that looks the same when turned or mirrored, as
    an O does, it makes classes that cannot be told apart. Turned and mirrored super-classes are super-classes of their
    own, too. Batches are not changed; with others in a ``chain``, they are changed after the turn.
    """

    turns: tuple[int, ...] = option(
        (90, 180, 270),
        doc="the turns, in degrees counter-clockwise: 90, 180 and 270; there may be none if `mirrored` is true",
    )
    mirrored: bool = option(
        False, doc="whether every class and turned class, mirrored left to right, is a further class, too"
    )

    def __attrs_post_init__(self) -> None:
        if not self.turns and not self.mirrored:
            raise ValueError(
                "turns are different ones of 90, 180 and 270 degrees; there may be none only if mirrored is true"
            )
        if set(self.turns) - {90, 180, 270} or len(set(self.turns)) != len(self.turns):
            raise ValueError(f"turns are different ones of 90, 180 and 270 degrees, not {list(self.turns)}")

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return a copy of the batch as its only view."""
        return (inputs.copy(),)

    def with_classes(self, split: Split) -> Split:
        """Return the images, and after them the images turned by each angle, under labels that count on.

        Mirrored images follow when all are turned, in the same order.

        Raises:
            InvalidInputError: The examples are no images, or are not square while a turn by 90 or 270 degrees is
                wanted.
        """
        shape = require_images(split, "rotated_classes")
        if shape[0] != shape[1] and set(self.turns) - {180}:
            raise InvalidInputError(
                f"augmenter rotated_classes: images of {shape[0]} x {shape[1]} pixels have another shape when turned "
                "by 90 degrees; make them square, or set turns = [180]"
            )
        turns = (0, *(turn // 90 for turn in self.turns))
        sides = (False, True) if self.mirrored else (False,)
        quarters, mirrored = np.tile(turns, len(sides)), np.repeat(sides, len(turns))
        times = len(quarters)
        turned = _Turned(
            split,
            np.tile(np.arange(len(split)), times),
            np.repeat(quarters, len(split)),
            np.repeat(mirrored, len(split)),
        )
        groups = None if split.groups is None else _counted_on(split.groups, times)
        return Split(turned, _counted_on(split.labels, times), groups)


def _counted_on(numbers: np.ndarray, times: int) -> np.ndarray:
    """Return numbers, repeated, each time with numbers that were not there before."""
    step = int(numbers.max()) + 1 if len(numbers) else 1
    return (numbers[None, :] + step * np.arange(times)[:, None]).reshape(-1)


@attrs.frozen(eq=False)
class _Turned(Examples):
    """Images of a split, each turned by some quarters of a turn, then mirrored or not, when it is read."""

    split: Split
    rows: np.ndarray
    quarters: np.ndarray
    mirrored: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def example_shape(self) -> Shape:
        """The shape of one image."""
        return self.split.example_shape

    def read(self, rows: np.ndarray) -> Inputs:
        """Return the (b, height, width, channels) turned and mirrored images."""
        images = np.array(self.split.read(self.rows[rows]))
        quarters = self.quarters[rows]
        for quarter in np.unique(quarters[quarters > 0]):
            chosen = quarters == quarter
            images[chosen] = np.rot90(images[chosen], quarter, axes=(1, 2))
        mirrored = self.mirrored[rows]
        images[mirrored] = images[mirrored, :, ::-1]
        return images

    def take(self, rows: np.ndarray) -> _Turned:
        """Return some of the images; nothing is read."""
        return _Turned(self.split, self.rows[rows], self.quarters[rows], self.mirrored[rows])
