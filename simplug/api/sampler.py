"""The contract of samplers: a split of a data set to batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from simplug.api.augmenter import Augmenter
from simplug.api.dataset import Split
from simplug.kernel.component import Component


class Batches(ABC):
    """The batches of one epoch after another, by position.

    A batch depends on the seed, the epoch and its position alone, so several workers may ask for batches in any
    order, and training can resume in the middle of an epoch.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of batches in an epoch."""

    @abstractmethod
    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs (b, ...) and int64 labels (b,) of a batch, ``0 <= step < len(self)``."""

    @abstractmethod
    def start_epoch(self, epoch: int) -> None:
        """Move to an epoch, counted from 0; it is 0 at first."""


class Sampler(Component, ABC):
    """Chooses which examples meet in a batch."""

    kind: ClassVar[str] = "sampler"

    @abstractmethod
    def batches(self, split: Split, *, steps: int, seed: int, augmenter: Augmenter | None = None) -> Batches:
        """Return the batches of a split.

        Args:
            split: The examples to draw from.
            steps: The number of batches in an epoch.
            seed: The same seed gives the same batches.
            augmenter: Makes the views of each batch; their labels are repeated, view after view.

        Raises:
            DataError: The split cannot fill such a batch; the message says what is short and by how much.
        """
