"""The batches of one of several training processes."""

from __future__ import annotations

import attrs

from simplug.api import Augmenter, Batches, Sampler, Split, component, option


@attrs.frozen
class Distributed(Sampler):
    """The part of each batch of another sampler that one of several training processes gets.

    All processes have the same seed and so the same plan; together they see the very batches that one process would
    see, each a consecutive part of every batch. Nothing is read twice. The size of the other sampler's batch is a
    multiple of `replicas`; with whole classes in each part, it is a multiple of classes as well.
    """

    sampler: Sampler = component("sampler", default="class_balanced", doc="makes the batches that are shared")
    replicas: int = option(1, ge=1, doc="how many processes train together")
    replica: int = option(0, ge=0, doc="which of them this is, counted from 0")

    def __attrs_post_init__(self) -> None:
        if self.replica >= self.replicas:
            raise ValueError(f"replica is {self.replica}, and there are {self.replicas} replicas, counted from 0")

    def batches(self, split: Split, *, steps: int, seed: int, augmenter: Augmenter | None = None) -> Batches:
        """Return this process's part of the batches of a split.

        Args:
            split: The examples to draw from, the same in every process.
            steps: The number of batches in an epoch, at least 1.
            seed: The same in every process.
            augmenter: Makes the views of each part; their labels are repeated, view after view.

        Raises:
            DataError: The other sampler cannot fill its batches.
            InvalidInputError: A batch cannot be shared equally, or `steps` or `seed` is out of range.
        """
        whole = self.sampler.batches(split, steps=steps, seed=seed, augmenter=augmenter)
        return whole.shard(self.replica, self.replicas)
