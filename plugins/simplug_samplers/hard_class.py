"""Batches in which classes meet that the model takes for each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np

from simplug.api import Augmenter, Batches, Inputs, ListeningBatches, PlannedBatches, Sampler, Split, option
from simplug_samplers.members import Members, require_steps
from simplug_samplers.passes import blocks_from_passes, rows_of_classes

_AT_ONCE = 512
"""How many examples are embedded, and how many classes are compared with all others, at once."""


@attrs.frozen
class HardClass(Sampler):
    """Batches of P classes with K examples each, some of which lie near each other in the space of the embeddings.

    Before each epoch but the first, some examples of every class are embedded by the model as it is. The mean
    directions of the classes say which are near: of the classes of a batch, a part comes from shuffled passes over all
    of them, and each of these brings along its nearest ones. In the first epoch all come from shuffled passes, as they
    do with class_balanced. With ``seeds_per_batch = 1`` a batch is one class and those nearest to it: Suh et al.,
    "Stochastic Class-based Hard Example Mining for Deep Metric Learning", CVPR 2019.
    """

    classes_per_batch: int = option(8, ge=2, doc="P, the number of different classes in a batch")
    examples_per_class: int = option(4, ge=1, doc="K, the number of examples of each class")
    seeds_per_batch: int = option(2, ge=1, doc="how many classes of a batch bring along those nearest to them")
    heard_per_class: int = option(8, ge=1, doc="at most this many examples of each class are embedded before an epoch")

    def __attrs_post_init__(self) -> None:
        if self.seeds_per_batch > self.classes_per_batch:
            raise ValueError(
                f"seeds_per_batch is {self.seeds_per_batch}, more than classes_per_batch = {self.classes_per_batch}"
            )

    def batches(self, split: Split, *, steps: int, seed: int, augmenter: Augmenter | None = None) -> Batches:
        """Return the batches of a split.

        Args:
            split: The examples to draw from.
            steps: The number of batches in an epoch, at least 1.
            seed: The same seed, from 0 on, gives the same batches for the same model.
            augmenter: Makes the views of each batch; their labels are repeated, view after view.

        Raises:
            DataError: The split has fewer classes than a batch.
            InvalidInputError: `steps` or `seed` is out of range.
        """
        require_steps("hard_class", steps)
        members = Members.of(split)
        members.require("hard_class", "classes_per_batch", self.classes_per_batch)
        members.warn_of_small("hard_class", self.examples_per_class)
        return _HardClassBatches(self, split, members, steps=steps, seed=seed, augmenter=augmenter)


class _HardClassBatches(PlannedBatches, ListeningBatches):
    """The batches of :class:`HardClass`."""

    def __init__(
        self, sampler: HardClass, split: Split, members: Members, *, steps: int, seed: int, augmenter: Augmenter | None
    ) -> None:
        self._heard = _Heard(members, sampler)

        def plan(rng: np.random.Generator) -> np.ndarray:
            classes = self._heard.classes(steps, rng)
            return rows_of_classes(members.rows, classes, sampler.examples_per_class, rng)

        super().__init__(split, plan, seed=seed, augmenter=augmenter)

    def hear(self, embed: Callable[[Inputs], np.ndarray]) -> None:
        """Find the classes that are nearest to each class, by the cosine of their mean directions."""
        self._heard.listen(self._split, embed)

    def heard(self) -> dict[str, np.ndarray]:
        """Return the nearest classes of each class."""
        return {} if self._heard.near is None else {"near": self._heard.near}

    def recall(self, heard: Mapping[str, np.ndarray]) -> None:
        """Take the nearest classes of each class as they were."""
        self._heard.near = heard.get("near")

    def start_epoch(self, epoch: int) -> None:
        """Choose the rows of an epoch; the first has not heard the model."""
        if epoch == 0:
            self._heard.forget()
        super().start_epoch(epoch)


class _Heard:
    """What is known of the model.

    Attributes:
        near: (c, P) the classes that are nearest to each class, itself first; None before the model was heard.
    """

    def __init__(self, members: Members, sampler: HardClass) -> None:
        self._members = members
        self._sampler = sampler
        self.near: np.ndarray | None = None

    def forget(self) -> None:
        """Know nothing."""
        self.near = None

    def listen(self, split: Split, embed: Callable[[Inputs], np.ndarray]) -> None:
        """Embed some examples of every class, and compare the means of their directions."""
        heard = [rows[: self._sampler.heard_per_class] for rows in self._members.rows]
        rows, owners = np.concatenate(heard), np.repeat(np.arange(len(heard)), [len(some) for some in heard])
        parts = [_directions(embed(split.read(rows[at : at + _AT_ONCE]))) for at in range(0, len(rows), _AT_ONCE)]
        means = _directions(np.add.reduceat(np.concatenate(parts), np.unique(owners, return_index=True)[1], axis=0))
        self.near = _nearest(means, self._sampler.classes_per_batch)

    def classes(self, steps: int, rng: np.random.Generator) -> np.ndarray:
        """Return the (steps, P) classes of each batch of an epoch."""
        wanted, count = self._sampler.classes_per_batch, len(self._members.rows)
        if self.near is None:
            return blocks_from_passes(count, wanted, steps, rng)
        seeds = blocks_from_passes(count, self._sampler.seeds_per_batch, steps, rng)
        return np.stack([_with_near(self.near[chosen], wanted) for chosen in seeds])


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of norm 1; zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: np.ndarray = vectors / np.where(norms > 0, norms, 1)
    return directions


def _nearest(means: np.ndarray, count: int) -> np.ndarray:
    """Return the (c, count) nearest classes of each class, itself first; never c x c numbers at once."""
    near = np.empty((len(means), count), dtype=np.int64)
    for at in range(0, len(means), _AT_ONCE):
        likeness = means[at : at + _AT_ONCE] @ means.T
        own = np.arange(len(likeness))
        likeness[own, at + own] = np.inf
        near[at : at + _AT_ONCE] = np.argsort(-likeness, axis=1, kind="stable")[:, :count]
    return near


def _with_near(near: np.ndarray, wanted: int) -> np.ndarray:
    """Return `wanted` different classes: the seeds, then in turn the nearest to each, as (seeds, P) lists them."""
    in_turn = near.T.reshape(-1)
    first = np.sort(np.unique(in_turn, return_index=True)[1])[:wanted]
    chosen: np.ndarray = in_turn[first]
    return chosen
