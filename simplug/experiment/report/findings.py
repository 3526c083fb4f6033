"""What a report and a model card are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from simplug.evaluation.calibration import Calibration
from simplug.experiment.scores import UNKNOWN, Evaluation
from simplug.experiment.selection import Selection
from simplug.index.index import Index

UNKNOWN_NAME = "unknown"


@attrs.frozen(eq=False)
class Findings:
    """Everything that a report is written from.

    Attributes:
        config: The resolved config, as plain values.
        selection: The examples of the run.
        history: One row an epoch.
        calibration: The calibration of the index.
        evaluation: The scores on the test split.
        index: The gallery, open, with the gallery's inputs as payloads.
        collapse: What the watch for collapse has found while the model was trained, in words; None for nothing.
    """

    config: Mapping[str, Any]
    selection: Selection
    history: Sequence[Mapping[str, float]]
    calibration: Calibration
    evaluation: Evaluation
    index: Index
    collapse: str | None = None

    @property
    def right(self) -> np.ndarray:
        """(q,) booleans: matched with its own label or, if the gallery has not its class, called unknown."""
        labels, matched = self.selection.test.labels, self.evaluation.matched
        known = np.isin(labels, self.selection.known)
        right: np.ndarray = np.where(known, matched == labels, matched == UNKNOWN)
        return right

    @property
    def has_kinds(self) -> bool:
        """Whether some classes were not trained on, so that kinds of classes are told apart."""
        return len(self.evaluation.groups) > 1

    def name_of(self, label: int) -> str:
        """Return the name of a label; a label without a name is written as it is, and -1 is unknown."""
        return UNKNOWN_NAME if label == UNKNOWN else self.selection.class_names.get(label, str(label))

    def kind_of(self, label: int) -> str:
        """Return ``"seen"`` for a class of the training, ``"unseen"`` for others of the gallery, else ``"unknown"``."""
        if label in self.selection.seen:
            return "seen"
        return "unseen" if label in self.selection.known else "unknown"
