"""Batches of triplets that are chosen once."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from simplug.api import Augmenter, Batches, DataError, InvalidInputError, PlannedBatches, Sampler, Split, option
from simplug_samplers.members import Members, require_steps
from simplug_samplers.passes import blocks_from_passes


@attrs.frozen
class FixedTriplets(Sampler):
    """Batches of whole triplets of anchor, positive and negative, from a set that stays the same.

    The set is read from a file or drawn at random when training starts; it is taken in shuffled passes. A batch holds
    its anchors, then their positives, then their negatives. Its labels are those of the data set, so a loss also
    compares what stands in different triplets of the batch.
    """

    path: str | None = option(
        None,
        doc="a .npy file with the positions of anchor, positive and negative in the examples to train on, (t, 3) "
        "integers; none: triplets are drawn",
    )
    count: int = option(1000, ge=1, doc="how many triplets are drawn if there is no file")
    triplets_per_batch: int = option(16, ge=1, doc="the number of triplets in a batch")

    def batches(self, split: Split, *, steps: int, seed: int, augmenter: Augmenter | None = None) -> Batches:
        """Return the batches of a split.

        Args:
            split: The examples to draw from.
            steps: The number of batches in an epoch, at least 1.
            seed: The same seed, from 0 on, gives the same batches.
            augmenter: Makes the views of each batch; their labels are repeated, view after view.

        Raises:
            DataError: The file cannot be read, a row of it is no triplet of this split, or there are fewer triplets
                than a batch has.
            InvalidInputError: `steps` or `seed` is out of range.
        """
        require_steps("fixed_triplets", steps)
        if seed < 0:
            raise InvalidInputError(f"seed must be at least 0, not {seed}")
        triplets = self._drawn(split, seed) if self.path is None else self._read(split, Path(self.path).expanduser())
        if len(triplets) < self.triplets_per_batch:
            raise DataError(
                f"sampler fixed_triplets: there are {len(triplets)} triplets, fewer than triplets_per_batch = "
                f"{self.triplets_per_batch}"
            )

        def plan(rng: np.random.Generator) -> np.ndarray:
            chosen = blocks_from_passes(len(triplets), self.triplets_per_batch, steps, rng)
            rows: np.ndarray = triplets[chosen].transpose(0, 2, 1).reshape(steps, -1)
            return rows

        return PlannedBatches(split, plan, seed=seed, augmenter=augmenter)

    def _drawn(self, split: Split, seed: int) -> np.ndarray:
        """Return (count, 3) rows: an anchor of a class with two examples, another of its class, one of another."""
        members = Members.of(split)
        paired = [number for number, rows in enumerate(members.rows) if len(rows) > 1]
        if not paired or len(members.rows) < 2:
            raise DataError(
                "sampler fixed_triplets: a triplet needs two examples of one class and one of another, and the data "
                f"set has {len(members.rows)} classes, {len(paired)} of them with two examples"
            )
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0)))
        triplets = np.empty((self.count, 3), dtype=np.int64)
        for row, number in enumerate(rng.choice(paired, size=self.count)):
            rows = members.rows[number]
            triplets[row, :2] = rng.choice(rows, size=2, replace=False)
            other = rng.integers(len(split) - len(rows))
            # Positions of other classes are counted past those of this class, which ascend.
            triplets[row, 2] = other + np.searchsorted(rows - np.arange(len(rows)), other, side="right")
        return triplets

    def _read(self, split: Split, path: Path) -> np.ndarray:
        try:
            triplets: np.ndarray = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as cause:
            reason = (isinstance(cause, OSError) and cause.strerror) or cause
            raise DataError(f"sampler fixed_triplets: {path} cannot be read as an array: {reason}") from cause
        if not isinstance(triplets, np.ndarray):
            raise DataError(f"sampler fixed_triplets: {path} holds several arrays; save one with numpy.save")
        if triplets.ndim != 2 or triplets.shape[1] != 3:
            raise DataError(
                f"sampler fixed_triplets: {path} holds shape {triplets.shape}; triplets are (t, 3) positions"
            )
        if triplets.dtype.kind not in "iu":
            raise DataError(f"sampler fixed_triplets: {path} holds {triplets.dtype}; positions are integers")
        outside = np.flatnonzero(((triplets < 0) | (triplets >= len(split))).any(axis=1))
        if outside.size:
            raise DataError(
                f"sampler fixed_triplets: {path}, row {outside[0]}: {triplets[outside[0]].tolist()} is beyond the "
                f"{len(split)} examples to train on"
            )
        anchor, positive, negative = split.labels[triplets].T
        wrong = np.flatnonzero((anchor != positive) | (anchor == negative) | (triplets[:, 0] == triplets[:, 1]))
        if wrong.size:
            row = wrong[0]
            raise DataError(
                f"sampler fixed_triplets: {path}, row {row}: {triplets[row].tolist()} have the labels "
                f"{split.labels[triplets[row]].tolist()}; anchor and positive are two examples of one class, the "
                f"negative is of another ({len(wrong)} such rows)"
            )
        positions: np.ndarray = triplets.astype(np.int64)
        return positions
