"""Images put together of two classes' images, as classes of their own."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Augmenter, Examples, Inputs, InvalidInputError, Shape, Split, option
from simplug_augmenters.pixels import require_images

UNCHANGED = -1
"""The recipe of an image that is what it was; the cuts, at 0, 45, 90 and 135 degrees, are the recipes 0 to 3."""

CUTS = 4
OVERLAY = CUTS
"""The recipe of two images on top of each other."""


@attrs.frozen
class JoinedClasses(Augmenter):
    """Puts the images of two classes of a group together, as further classes: characters that no alphabet has.

    It is for characters and other symbols, where there are few classes to train on. Of classes A and B, a cut shows A
    on one side of a straight line through the centre and B on the other; an overlay shows the ink of both. The new
    shapes are unknown, but all images of one of them have parts that look alike, drawn by different hands, as those of
    a real class have. No paper stands behind it: measure whether it helps.

    All images of a new class have the same two classes and the same cut; each image of A meets one of B, drawn once by
    `seed`. No class is made twice, so small groups get fewer than `per_group`, and a group of one class gets none. The
    new classes of a group are a group of their own. Without groups, all classes are one group. Batches are not changed.
    After ``rotated_classes`` in a ``chain``, the characters of an alphabet are joined with others turned as they are.
    """

    per_group: int = option(24, ge=1, doc="how many new classes for each group, spread evenly over the ways")
    ways: tuple[str, ...] = option(
        ("cut", "overlay"),
        choices=("cut", "overlay"),
        doc="how two images are put together: side by side along a cut, or on top of each other",
    )
    ink: str = option(
        "light", choices=("light", "dark"), doc="what an overlay keeps of two pixels: the lighter or the darker"
    )
    seed: int = option(0, ge=0, doc="the seed by which classes, cuts and pairs of images are drawn")

    def __attrs_post_init__(self) -> None:
        if not self.ways or len(set(self.ways)) != len(self.ways):
            raise ValueError(f"ways are cut, overlay or both, each once, not {list(self.ways)}")

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return a copy of the batch as its only view."""
        return (inputs.copy(),)

    def with_classes(self, split: Split) -> Split:
        """Return the images, and after them those that are put together, under labels and groups that count on.

        A new class has as many images as the first of its two classes; if the second has fewer, they are used again.

        Raises:
            InvalidInputError: The examples are no images, or no group has two classes.
        """
        require_images(split, "joined_classes")
        groups = _groups_of_classes(split)
        rng = np.random.default_rng(self.seed)
        everything = np.arange(len(split))
        first, second, recipes = [everything], [everything], [np.full(len(split), UNCHANGED)]
        labels = [split.labels]
        group_numbers = [] if split.groups is None else [split.groups]
        next_label = int(split.labels.max()) + 1
        next_group = 0 if split.groups is None else int(split.groups.max()) + 1
        for classes in groups:
            for one, other, recipe in self._drawn(len(classes), rng):
                count = len(classes[one])
                first.append(classes[one])
                second.append(np.resize(rng.permutation(classes[other]), count))
                recipes.append(np.full(count, recipe))
                labels.append(np.full(count, next_label))
                group_numbers.append(np.full(count, next_group))
                next_label += 1
            next_group += 1
        joined = _Joined(
            split, np.concatenate(first), np.concatenate(second), np.concatenate(recipes), self.ink == "light"
        )
        return Split(joined, np.concatenate(labels), None if split.groups is None else np.concatenate(group_numbers))

    def _drawn(self, classes: int, rng: np.random.Generator) -> np.ndarray:
        """Return (m, 3) different joints of some classes: the position of each of the two, and the recipe."""
        pairs = classes * (classes - 1)
        joints = []
        for turn, way in enumerate(self.ways):
            wanted = len(range(turn, self.per_group, len(self.ways)))
            # A cut with its sides exchanged is another class; an overlay the other way about is the same.
            possible = CUTS * pairs if way == "cut" else pairs // 2
            numbers = rng.choice(possible, min(wanted, possible), replace=False)
            recipes = numbers // pairs if way == "cut" else np.full(len(numbers), OVERLAY)
            # Counted by the steps from one to the other, the first half of the pairs has every two classes once.
            steps, one = np.divmod(numbers % pairs, classes)
            joints.append(np.stack([one, (one + steps + 1) % classes, recipes], axis=1))
        return np.concatenate(joints)


def _groups_of_classes(split: Split) -> list[list[np.ndarray]]:
    """Return the groups that have two or more classes, each as the rows of each of its classes.

    Raises:
        InvalidInputError: There is no such group.
    """
    rows = np.arange(len(split))
    members = [rows] if split.groups is None else _apart(rows, split.groups)
    groups = [_apart(group, split.labels) for group in members]
    if all(len(classes) < 2 for classes in groups):
        found = "they are all of one class" if len(groups) == 1 else f"none of their {len(groups)} groups has two"
        raise InvalidInputError(
            "augmenter joined_classes: a class is put together of two classes of one group, but of these "
            f"{len(split)} examples {found}; leave the augmenter out"
        )
    return [classes for classes in groups if len(classes) > 1]


def _apart(rows: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each number, in their order; numbers ascend."""
    order = rows[np.argsort(numbers[rows], kind="stable")]
    _, starts = np.unique(numbers[order], return_index=True)
    return np.split(order, starts[1:])


def _first_sides(height: int, width: int) -> np.ndarray:
    """Return (4, height, width, 1) bool: where a cut at 0, 45, 90 and 135 degrees shows the first of two images.

    It is what lies above, above and left, left, and below and left of the line, which goes counter-clockwise from
    horizontal; pixels on the line show the second.
    """
    down, right = 2 * np.arange(height)[:, None] - (height - 1), 2 * np.arange(width)[None, :] - (width - 1)
    distances = np.stack(np.broadcast_arrays(down, down + right, right, right - down))
    sides: np.ndarray = distances[..., None] < 0
    return sides


@attrs.frozen(eq=False)
class _Joined(Examples):
    """Images of a split, each as it is or put together with another when it is read."""

    split: Split
    first: np.ndarray
    second: np.ndarray
    recipes: np.ndarray
    lighter: bool

    def __len__(self) -> int:
        return len(self.first)

    @property
    def example_shape(self) -> Shape:
        """The shape of one image."""
        return self.split.example_shape

    def read(self, rows: np.ndarray) -> Inputs:
        """Return the (b, height, width, channels) images."""
        recipes = self.recipes[rows]
        joined = recipes != UNCHANGED
        both = np.array(self.split.read(np.concatenate([self.first[rows], self.second[rows][joined]])))
        images, others = both[: len(rows)], both[len(rows) :]
        images[joined] = self._together(images[joined], others, recipes[joined])
        return images

    def _together(self, images: np.ndarray, others: np.ndarray, recipes: np.ndarray) -> np.ndarray:
        """Return (m, height, width, channels) images put together with others by their recipes."""
        cut = recipes != OVERLAY
        together: np.ndarray = np.maximum(images, others) if self.lighter else np.minimum(images, others)
        sides = _first_sides(*images.shape[1:3])[recipes[cut]]
        together[cut] = np.where(sides, images[cut], others[cut])
        return together

    def take(self, rows: np.ndarray) -> _Joined:
        """Return some of the images; nothing is read."""
        return _Joined(self.split, self.first[rows], self.second[rows], self.recipes[rows], self.lighter)
