"""A training that ends when a score no longer gets better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from simplug.kernel.errors import SimplugError
from simplug.learn.checkpoint import State


class EarlyStopping(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training after a number of scores in a row that are no better than the best one.

    Unlike that of Keras, it counts scores, not epochs, which may have none, and can go on from a checkpoint.

    Args:
        log: The score, as the logs of an epoch name it.
        name: The score, as messages name it.
        maximize: Whether higher is better.
        patience: After so many scores in a row that are no better, the training ends.
        min_delta: A score is better when it is better by more than this.
        restore_best: Whether the weights of the best score are put back at the end, also when it was not early.

    Attributes:
        best_epoch: The epoch of the best score, counted from 1; None before there is one.
    """

    def __init__(
        self, log: str, *, name: str, maximize: bool, patience: int, min_delta: float, restore_best: bool
    ) -> None:
        super().__init__()
        self.best_epoch: int | None = None
        self.maximize, self.restore_best = maximize, restore_best
        self._log, self._name = log, name
        self._patience, self._min_delta = patience, min_delta
        self._best: float | None = None
        self._waited = 0
        self._weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare the score of the epoch, if it has one, with the best.

        Raises:
            SimplugError: The epoch has scores, but not this one.
        """
        scores = {name: value for name, value in (logs or {}).items() if name.startswith("val_")}
        if not scores:
            return
        if self._log not in scores:
            raise SimplugError(
                f"train.early_stopping.metric is {self._name}, which could not be scored in epoch {epoch + 1}: the "
                "examples of the calibration have no query that it can be told of; raise calibrate.examples, or choose "
                "another score"
            )
        score = float(scores[self._log])
        gain = None if self._best is None else (score - self._best if self.maximize else self._best - score)
        if gain is not None and gain <= self._min_delta:
            self._waited += 1
            if self._waited >= self._patience:
                self.model.stop_training = True
            return
        self._best, self.best_epoch, self._waited = score, epoch + 1, 0
        if self.restore_best:
            self._weights = self.model.get_weights()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Put the best weights back."""
        if self._weights:
            self.model.set_weights(self._weights)
        self._weights = []

    def state(self) -> State:
        """Return the best score, its weights, and how many were no better since."""
        arrays = {str(at): weight for at, weight in enumerate(self._weights)}
        return {**arrays, "best": self._best, "best_epoch": self.best_epoch, "waited": self._waited}

    def restore(self, state: State) -> None:
        """Go on from what :meth:`state` returned."""
        self._best, self.best_epoch, self._waited = state["best"], state["best_epoch"], state["waited"]
        self._weights = [state[str(at)] for at in range(len(state) - 3)]
