"""What follows the training of a run: its history, its progress, and its scalars for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from simplug.experiment.progress import Progress
from simplug.kernel.errors import SimplugError
from simplug.learn.checkpoint import State
from simplug.learn.collapse_signs import LOGS
from simplug.learn.event_file import EventFile

_GROUPS = {"val_known_": "val_seen_", "val_unknown_": "val_unseen_"}
"""Groups of queries as callbacks name them, and as runs do: there, a class that the gallery lacks is unknown, too."""


def name_in_run(log: str) -> str:
    """Return the name that a run gives to a score of the logs."""
    for theirs, ours in _GROUPS.items():
        log = log.replace(theirs, ours)
    return log


def name_in_logs(name: str) -> str:
    """Return the name that a score of a run has in the logs."""
    for theirs, ours in _GROUPS.items():
        name = name.replace(ours, theirs)
    return name


class Follower(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the progress, keeps the history, and stops a training that has diverged.

    Args:
        progress: Hears of each step.
        steps_per_epoch: How many steps an epoch has.

    Attributes:
        history: One row an epoch: epoch, loss, learning_rate, seconds, and the scores of that epoch and the numbers of
            the watch for collapse, if it has any.
    """

    def __init__(self, progress: Progress, steps_per_epoch: int) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self._progress = progress
        self._steps = steps_per_epoch
        self._epoch = 0
        # What an epoch took before it was broken off counts, too.
        self._before = 0.0
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the time."""
        self._epoch, self._started = epoch, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell the progress.

        Raises:
            SimplugError: The loss is no longer finite.
        """
        loss = float((logs or {})["loss"])
        if not np.isfinite(loss):
            raise SimplugError(
                f"training diverged: the loss is {loss} in epoch {self._epoch + 1}, step {batch + 1}; "
                "lower train.optimizer.learning_rate or set train.optimizer.clip_norm"
            )
        done = self._epoch * self._steps + batch + 1
        self._progress.advance(done, f"epoch {self._epoch + 1}, loss {loss:.4f}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the row of the epoch."""
        logs = logs or {}
        self.history.append(
            {
                "epoch": epoch + 1,
                "loss": float(logs["loss"]),
                "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
                "seconds": self._seconds(),
                **{name_in_run(name): float(value) for name, value in logs.items() if _is_kept(name)},
            }
        )
        self._before, self._started = 0.0, time.perf_counter()

    def state(self) -> State:
        """Return the history, and how long the epoch has taken so far."""
        return {"history": self.history, "seconds": self._seconds()}

    def restore(self, state: State) -> None:
        """Go on from what :meth:`state` returned."""
        self.history[:] = [dict(row) for row in state["history"]]
        self._before = state["seconds"]

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._started


def _is_kept(log: str) -> bool:
    """Say whether a number of the logs belongs into the history: a score, or what tells of collapse."""
    return log.startswith("val_") or log in LOGS


class Scalars(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the rows of a history for TensorBoard: losses, learning rate and scores by epoch.

    Args:
        follower: It comes before this callback and keeps the history.
        folder: The folder for TensorBoard.
    """

    def __init__(self, follower: Follower, folder: Path) -> None:
        super().__init__()
        self._follower = follower
        self._folder = folder
        self._events = EventFile(folder)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the last row."""
        self._write(self._follower.history[-1])

    def on_train_end(self, logs: Any = None) -> None:
        """Finish the file."""
        self._events.close()

    def state(self) -> State:
        """Return nothing: what was written follows from the history."""
        return {}

    def restore(self, state: State) -> None:
        """Write the history anew, without what came after the checkpoint."""
        for file in self._folder.glob("events.out.tfevents.*"):
            file.unlink()
        for row in self._follower.history:
            self._write(row)

    def _write(self, row: Mapping[str, float]) -> None:
        values = {name: value for name, value in row.items() if name not in {"epoch", "seconds"}}
        self._events.add_scalars(values, int(row["epoch"]))
