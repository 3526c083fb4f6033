"""Batches without labels: each example is a class of its own."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from simplug.api import Augmenter, Batches, DataError, InvalidInputError, PlannedBatches, Sampler, Split, option
from simplug_samplers.members import require_steps
from simplug_samplers.passes import blocks_from_passes


@attrs.frozen
class SingleShot(Sampler):
    """Batches of different examples, each a class of its own, whose positives are its views alone.

    The labels of a batch are the positions of its examples in the split; the labels of the data set are not looked
    at. An augmenter makes the views. Examples are taken from shuffled passes over all of them, so a batch holds none
    twice, and all are seen before one comes again.
    """

    needs_views: ClassVar[bool] = True

    examples_per_batch: int = option(64, ge=2, doc="the number of different examples in a batch, before the views")

    def batches(self, split: Split, *, steps: int, seed: int, augmenter: Augmenter | None = None) -> Batches:
        """Return the batches of a split.

        Args:
            split: The examples to draw from.
            steps: The number of batches in an epoch, at least 1.
            seed: The same seed, from 0 on, gives the same batches.
            augmenter: Makes the views of each batch; their labels are repeated, view after view.

        Raises:
            DataError: The split has fewer examples than a batch.
            InvalidInputError: There is no augmenter, or `steps` or `seed` is out of range.
        """
        require_steps("single_shot", steps)
        if augmenter is None:
            raise InvalidInputError(
                "sampler single_shot: an example's only positives are its own views, so an augmenter that makes two "
                "is needed, such as simclr"
            )
        if len(split) < self.examples_per_batch:
            raise DataError(
                f"sampler single_shot: the data set has {len(split)} examples to train on, fewer than "
                f"examples_per_batch = {self.examples_per_batch}"
            )

        def plan(rng: np.random.Generator) -> np.ndarray:
            return blocks_from_passes(len(split), self.examples_per_batch, steps, rng)

        return PlannedBatches(split, plan, seed=seed, augmenter=augmenter, labels=np.arange(len(split)))
