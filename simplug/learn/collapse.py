"""A watch for collapse while a model is trained: every input to one place, or a loss that stays at its margin."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import attrs
import keras
import numpy as np

from simplug.api import Examples, InvalidInputError, SimplugWarning
from simplug.evaluation.checking import labels_of
from simplug.learn.checkpoint import State
from simplug.learn.collapse_advice import Sign, advice
from simplug.learn.collapse_signs import LOGS, CollapsedLoss, active_triplets, space_of
from simplug.learn.labelled import similarity_model
from simplug.learn.model import BATCH

_FEW_CLASSES, _FEW_DIMENSIONS = 3, 2
"""Up to so many classes, and in so many dimensions, embeddings on a line may be all that is asked for."""

_IN_ONE_PLACE = 0.1
"""A distance that is a smaller share of the margin is none: a slow training passes the margin with larger ones."""


class CollapseWarning(SimplugWarning):
    """A training has collapsed; the text says by which sign, since when, and what to try."""


@attrs.frozen
class Collapse:
    """What a watch has found.

    Attributes:
        sign: ``"spread"``: the embeddings, or the projections of a loss between views, point the same way; ``"rank"``:
            the embeddings fill few dimensions; ``"margin"``: the loss is what it is when all embeddings are the same.
        since: The first epoch with this sign, counted from 1.
        epoch: The epoch at whose end it was told, counted from 1.
        numbers: What was seen at that time, by name; the loss and those of the logs.
        message: All of this in words, and what to try.
    """

    sign: Sign
    since: int
    epoch: int
    numbers: dict[str, float]
    message: str


class CollapseCallback(keras.callbacks.Callback):  # type: ignore[misc]
    r"""Watches a training for collapse, and says once what to try.

    At the end of an epoch a few examples are embedded, always the same ones. Their numbers appear in the logs:

    - ``embedding_spread``, the metric: 0 when all embeddings point the same way, about 1 when every way alike.
    - ``effective_rank``, the metric: how many dimensions the embeddings fill.
    - ``projection_spread``, for a loss between views that looks at projections: their spread.
    - ``active_triplets``, with labels: the share of triplets :math:`(a, p, n)` with :math:`d_{ap} - d_{an} + m \ge 0`,
      for the margin m of a triplet loss, else 0.

    A training is taken for collapsed when, at so many looks in a row as `patience` says,

    - a spread is below `min_spread`;
    - the effective rank is below `min_rank`, unless there are labels of at most three classes, or two dimensions;
    - the loss is that of equal embeddings, up to a share `margin_band`, which is the margin of a triplet loss, log 2
      for a soft one without margin, and the mean distance is below a tenth of it: a slow training may stay there, too,
      while its embeddings part.

    Then there is one :class:`CollapseWarning`, and :attr:`found` keeps what it says. The model, its index and its
    training are left alone.

    Args:
        inputs: (n, ...) inputs of the model, at least 2, some hundred for numbers that are steady; a dict of them for a
            model of several inputs, or :class:`simplug.api.Examples`.
        labels: (n,) integer labels; None leaves out ``active_triplets``.
        every: Every so many epochs the model is looked at; the logs of the others have no such numbers.
        patience: At so many looks in a row a sign is to be seen.
        min_spread: From 0 up; 0 leaves this sign out. In trainings on digits that learned, the spread was above 0.1 but
            for two epochs at most; in those that collapsed it was below 0.03 from then on.
        min_rank: From 0 up; 0 leaves this sign out.
        margin_band: From 0 up; 0 leaves this sign out.
        stop: Whether a training that has collapsed is stopped.

    Attributes:
        found: What was found; None while there is nothing.

    Raises:
        InvalidInputError: Inputs and labels do not fit, or a number is out of range.
    """

    def __init__(
        self,
        inputs: Any,
        labels: Any = None,
        *,
        every: int = 1,
        patience: int = 3,
        min_spread: float = 0.03,
        min_rank: float = 1.5,
        margin_band: float = 0.02,
        stop: bool = False,
    ) -> None:
        super().__init__()
        self._inputs = inputs if isinstance(inputs, Examples | Mapping) else np.asarray(inputs)
        self._count = len(next(iter(inputs.values()))) if isinstance(inputs, Mapping) else len(self._inputs)
        self._labels = None if labels is None else labels_of("labels", labels)
        if self._count < 2 or (self._labels is not None and len(self._labels) != self._count):
            told = "" if self._labels is None else f" and {len(self._labels)} labels"
            raise InvalidInputError(f"there are {self._count} inputs{told}; at least 2 are watched, each with a label")
        self._every, self._patience = _from("every", every, 1), _from("patience", patience, 1)
        self._min_spread = _from("min_spread", min_spread, 0.0)
        self._min_rank = _from("min_rank", min_rank, 0.0)
        self._margin_band = _from("margin_band", margin_band, 0.0)
        self._stop = stop
        self._since: dict[Sign, list[int]] = {}
        self._of_equal = CollapsedLoss(None, 0.0)
        self._mean_distance = np.inf
        self.found: Collapse | None = None

    def set_model(self, model: Any) -> None:
        """Take the model that is trained; Keras calls it."""
        super().set_model(similarity_model(model, self))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin a watch, and see what the loss is for equal embeddings."""
        self.found, self._since = None, {}
        self._of_equal = CollapsedLoss.of(self.model.loss_component, self.model.embedding_dim)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the model, when it is time: put the numbers into the logs, and tell of a collapse once."""
        if (epoch + 1) % self._every:
            return
        logs = {} if logs is None else logs
        logs |= self._look()
        signs = self._signs(logs)
        self._since = {sign: [*self._since.get(sign, []), epoch + 1] for sign in signs}
        told = next((sign for sign, epochs in self._since.items() if len(epochs) >= self._patience), None)
        if told is None or self.found is not None:
            return
        self.found = self._collapse(told, signs[told], logs)
        warnings.warn(self.found.message, CollapseWarning, stacklevel=2)
        if self._stop:
            self.model.stop_training = True

    def state(self) -> State:
        """Return the signs so far, and what was found."""
        return {"since": self._since, "found": None if self.found is None else attrs.asdict(self.found)}

    def restore(self, state: State) -> None:
        """Go on from what :meth:`state` returned."""
        self._since = {sign: list(epochs) for sign, epochs in state["since"].items()}
        self.found = None if state["found"] is None else Collapse(**state["found"])

    def _look(self) -> dict[str, float]:
        """Return the numbers of the model as it is; none where it gives no numbers any more."""
        embeddings = self._embeddings()
        if not np.isfinite(embeddings).all():
            return {}
        numbers = space_of(embeddings)
        projector = getattr(self.model.head, "projector", None)
        if projector is not None:
            projections = keras.ops.convert_to_numpy(projector(embeddings, training=False))
            numbers["projection_spread"] = space_of(np.asarray(projections))["embedding_spread"]
        distances = self.model.distance.numpy(embeddings, embeddings)
        self._mean_distance = float(distances.mean())
        if self._labels is not None:
            share = active_triplets(distances, self._labels, self._of_equal.margin)
            numbers |= {} if share is None else {"active_triplets": share}
        return numbers

    def _embeddings(self) -> np.ndarray:
        """Return the (n, d) embeddings of the inputs; ``predict`` has a pipeline that costs more than they do."""
        parts = []
        for start in range(0, self._count, BATCH):
            some = np.arange(start, min(start + BATCH, self._count))
            parts.append(self.model.predict_on_batch(self._read(some)))
        return np.concatenate(parts).astype(np.float32)

    def _read(self, rows: np.ndarray) -> Any:
        if isinstance(self._inputs, Examples):
            return self._inputs.read(rows)
        if isinstance(self._inputs, Mapping):
            return {name: np.asarray(part)[rows] for name, part in self._inputs.items()}
        return self._inputs[rows]

    def _signs(self, numbers: Mapping[str, float]) -> dict[Sign, str]:
        """Return the signs that are to be seen now, each with what it means."""
        signs: dict[Sign, str] = {}
        for name, what in (("embedding_spread", "embeddings"), ("projection_spread", "projections")):
            if numbers.get(name, 1.0) < self._min_spread:
                told = f"the {what} of all inputs point almost the same way"
                signs.setdefault("spread", f"{told} ({name} {numbers[name]:.3g}, below {self._min_spread:g})")
        if self._rank_tells and numbers.get("effective_rank", self._min_rank) < self._min_rank:
            rank, dim = numbers["effective_rank"], self.model.embedding_dim
            signs["rank"] = f"the embeddings lie almost on a line (effective_rank {rank:.3g} of {dim})"
        if self._is_at_margin(float(numbers.get("loss", np.nan))):
            apart = f"two examples are {self._mean_distance:.3g} apart on average"
            told = f"the loss stays at {self._of_equal.value:.4g}, as for embeddings that are all the same"
            signs["margin"] = f"{told}, and {apart}"
        return signs

    def _is_at_margin(self, loss: float) -> bool:
        equal = self._of_equal.value
        if equal is None:
            return False
        return abs(loss - equal) < self._margin_band * equal and self._mean_distance < _IN_ONE_PLACE * equal

    @property
    def _rank_tells(self) -> bool:
        """Whether the examples should fill more than a line: few classes need no more, and few dimensions have none."""
        classes = np.inf if self._labels is None else len(np.unique(self._labels))
        return bool(classes > _FEW_CLASSES and self.model.embedding_dim > _FEW_DIMENSIONS)

    def _collapse(self, sign: Sign, words: str, logs: Mapping[str, float]) -> Collapse:
        epochs = self._since[sign]
        numbers = {name: float(logs[name]) for name in ("loss", *LOGS) if name in logs}
        listed = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        tries = "; ".join(advice(sign, self.model.loss_component, rate))
        message = (
            f"the training has collapsed: since epoch {epochs[0]}, {words}. In epoch {epochs[-1]}: {listed}. "
            f"Try, in this order: {tries}"
        )
        return Collapse(sign, epochs[0], epochs[-1], numbers, message)


def _from(name: str, value: Any, least: Any) -> Any:
    """Return a setting of at least so much, a whole number where the least is one."""
    kind = int if isinstance(least, int) else int | float
    if isinstance(value, bool) or not isinstance(value, kind | np.number) or not value >= least:
        raise InvalidInputError(f"{name} is {value!r}; it is a {'whole ' if kind is int else ''}number from {least} up")
    return value
