"""The contract of samplers: a split of a data set to batches."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from simplug.api.augmenter import Augmenter
from simplug.api.dataset import Split
from simplug.api.examples import Inputs
from simplug.kernel.component import Component
from simplug.kernel.errors import InvalidInputError


class Batches(ABC):
    """The batches of one epoch after another, by position.

    A batch depends on the seed, the epoch and its position alone, so several workers may ask for batches in any
    order, and training can resume in the middle of an epoch.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of batches in an epoch."""

    @abstractmethod
    def __getitem__(self, step: int) -> tuple[Inputs, np.ndarray]:
        """Return inputs (b, ...), or one array a named input, and int64 labels (b,), ``0 <= step < len(self)``."""

    @abstractmethod
    def start_epoch(self, epoch: int) -> None:
        """Move to an epoch, counted from 0; it is 0 at first."""

    def shard(self, replica: int, replicas: int) -> Batches:
        """Return the part of every batch that one of several training processes gets, in equal, consecutive parts.

        Args:
            replica: Which part, ``0 <= replica < replicas``.
            replicas: How many parts there are.

        Raises:
            InvalidInputError: A batch cannot be shared among so many, or there is no such part.
        """
        return _Part(self, replica, replicas)


class ListeningBatches(Batches):
    """Batches that depend on what the model takes for what: it is heard before an epoch starts."""

    @abstractmethod
    def hear(self, embed: Callable[[Inputs], np.ndarray]) -> None:
        """Look at the model; called before :meth:`start_epoch` for each epoch after the first.

        Args:
            embed: Inputs (b, ...), or one array a named input, to (b, d) float32 embeddings, as the model is now.
        """

    @abstractmethod
    def heard(self) -> dict[str, np.ndarray]:
        """Return what was kept of it, as arrays by name; none before the model was heard."""

    @abstractmethod
    def recall(self, heard: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`heard` returned as if it had been heard now: a training goes on that was broken off."""


class PlannedBatches(Batches):
    """Batches of rows of a split that are chosen, for a whole epoch, when the epoch starts.

    Args:
        split: The examples.
        plan: Given a generator that depends on seed and epoch alone, it returns the rows of each batch of an epoch,
            (steps, b) int64.
        seed: The same seed gives the same batches.
        augmenter: Makes the views of each batch; their labels are repeated, view after view.
        labels: (n,) int64 labels of the batches where they are not those of the split.

    Raises:
        InvalidInputError: The seed is negative.
    """

    def __init__(
        self,
        split: Split,
        plan: Callable[[np.random.Generator], np.ndarray],
        *,
        seed: int,
        augmenter: Augmenter | None = None,
        labels: np.ndarray | None = None,
    ) -> None:
        if seed < 0:
            raise InvalidInputError(f"seed must be at least 0, not {seed}")
        self._split = split
        self._choose = plan
        self._seed = seed
        self._augmenter = augmenter
        self._labels = split.labels if labels is None else labels
        self._part = (0, 1)
        self.start_epoch(0)

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, step: int) -> tuple[Inputs, np.ndarray]:
        if not 0 <= step < len(self._plan):
            raise IndexError(f"step {step} of an epoch of {len(self._plan)}")
        rows = _part_of(self._plan[step], *self._part)
        inputs, labels = self._split.read(rows), self._labels[rows]
        if self._augmenter is None:
            return inputs, labels
        if isinstance(inputs, dict):
            raise InvalidInputError(
                f"an augmenter changes one array, and these examples have the inputs {', '.join(inputs)}; leave it out"
            )
        # Replicas see different examples, and change each in a way of its own.
        part = [self._part[0]] if self._part[1] > 1 else []
        views = self._augmenter.views(inputs, np.random.default_rng([self._seed, self._epoch, step, *part]))
        return np.concatenate(views), np.tile(labels, len(views))

    def start_epoch(self, epoch: int) -> None:
        """Choose the rows of an epoch.

        Raises:
            InvalidInputError: `epoch` is negative.
        """
        if epoch < 0:
            raise InvalidInputError(f"epochs count from 0; {epoch} is negative")
        # The spawn key keeps this stream apart from the augmenter's, whose seed for step 0 is padded to the same words.
        self._plan = self._choose(np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(epoch,))))
        self._epoch = epoch

    def shard(self, replica: int, replicas: int) -> Batches:
        """Return the part of every batch that one of several training processes gets; no other example is read."""
        own, parts = self._part
        _check_part(replica, replicas, self._plan.shape[1] // parts)
        part = copy.copy(self)
        part._part = (own * replicas + replica, parts * replicas)
        return part


class _Part(Batches):
    """A part of each of some batches."""

    def __init__(self, whole: Batches, replica: int, replicas: int) -> None:
        _check_part(replica, replicas, len(whole[0][1]))
        self._whole = whole
        self._part = (replica, replicas)

    def __len__(self) -> int:
        return len(self._whole)

    def __getitem__(self, step: int) -> tuple[Inputs, np.ndarray]:
        inputs, labels = self._whole[step]
        if isinstance(inputs, dict):
            return {name: _part_of(column, *self._part) for name, column in inputs.items()}, _part_of(
                labels, *self._part
            )
        return _part_of(inputs, *self._part), _part_of(labels, *self._part)

    def start_epoch(self, epoch: int) -> None:
        self._whole.start_epoch(epoch)


def _part_of(rows: np.ndarray, replica: int, replicas: int) -> np.ndarray:
    size = len(rows) // replicas
    return rows[replica * size : (replica + 1) * size]


def _check_part(replica: int, replicas: int, size: int) -> None:
    if not 0 <= replica < replicas:
        raise InvalidInputError(f"replica is {replica}, and there are {replicas}, counted from 0")
    if size % replicas:
        raise InvalidInputError(f"a batch of {size} examples cannot be shared equally among {replicas} replicas")


class Sampler(Component, ABC):
    """Chooses which examples meet in a batch.

    Attributes:
        needs_views: Whether batches make sense only with an augmenter of at least two views, since no two examples of
            a batch are of one class.
    """

    kind: ClassVar[str] = "sampler"
    needs_views: ClassVar[bool] = False

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
