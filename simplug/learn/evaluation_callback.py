"""Evaluation while a model is trained, on an index of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import keras
import numpy as np

from simplug.api import InvalidInputError, Matcher, Metric
from simplug.evaluation.answers import Answers
from simplug.evaluation.checking import labels_of
from simplug.index.answering import answers
from simplug.kernel.registry import REGISTRIES
from simplug.learn.event_file import EventFile
from simplug.learn.labelled import DistanceLike, Labelled, distance_of, own_index, similarity_model


class EvaluationCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Scores a model at the end of an epoch, and gives the scores to the callbacks and the history of the training.

    Queries and gallery are embedded with the model as it is, and searched exactly in an index in memory that is thrown
    away afterwards. The model's own index, its calibration and its training are left alone.

    Scores appear in the logs of the epoch as ``val_recall@1`` and so on. With `known_classes`, those of queries of
    these classes appear as ``val_known_recall@1`` and those of other queries as ``val_unknown_recall@1``, too: a model
    is worth what it does with classes that it was not trained on. What cannot be scored, such as a group without two
    examples of one class, is left out.

    Keras calls callbacks in the order in which they are given: this one comes before those that monitor its scores,
    such as ``keras.callbacks.EarlyStopping(monitor="val_map@r", mode="max")``.

    Args:
        queries: (q, ...) inputs of the model, or :class:`simplug.api.Examples`, which are read for each score.
        query_labels: (q,) integer labels, from 0 up.
        gallery: (n, ...) inputs of the model or :class:`simplug.api.Examples`, among which the neighbours of the
            queries are found; no query among them.
        gallery_labels: (n,) integer labels, from 0 up.
        metrics: Metrics of retrieval, verification (pairs of queries), clustering, training, open sets, and probes that
            learn from the gallery; by name, as tables or instances. For those of open sets, a query is unknown when the
            gallery does not hold its class.
        known_classes: Labels that the model is trained on; None leaves out scores of known and unknown classes apart.
        every: Every so many epochs the model is scored, and at the last one of ``fit``; the logs of the others have no
            scores.
        k: How many neighbours the matcher sees; only open sets are scored by matches.
        matcher: How neighbours become a label and a distance.
        distance: ``"auto"`` takes that of the model.
        log_dir: A folder for TensorBoard, to which the scores are written as scalars; None writes none.

    Raises:
        InvalidInputError: Examples and labels do not fit, a metric cannot be scored here, or a number is out of range.
    """

    def __init__(
        self,
        queries: Any,
        query_labels: Any,
        gallery: Any,
        gallery_labels: Any,
        metrics: Sequence[str | Mapping[str, Any] | Metric] = ("precision@1", "map@r"),
        *,
        known_classes: Sequence[int] | np.ndarray | None = None,
        every: int = 1,
        k: int = 1,
        matcher: str | Mapping[str, Any] | Matcher = "nearest",
        distance: DistanceLike = "auto",
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self._queries = Labelled.of(queries, query_labels, "queries")
        self._gallery = Labelled.of(gallery, gallery_labels, "gallery")
        self._in_gallery = np.isin(self._queries.labels, self._gallery.labels)
        self._metrics = _scorable(
            [REGISTRIES["metric"].build(metric) for metric in metrics], self._in_gallery, self._gallery.labels
        )
        self._groups = _groups(self._queries.labels, known_classes)
        self._every = _positive("every", every)
        self._k = _positive("k", k)
        self._matcher: Matcher = REGISTRIES["matcher"].build(matcher)
        self._distance = distance
        self._events = EventFile(log_dir) if log_dir is not None else None

    def replace_inputs(self, replace: Callable[[Any, np.ndarray], Any]) -> None:
        """Put others in the place of the queries and of the gallery, such as their features for a model of features.

        Args:
            replace: From inputs (n, ...) and their labels (n,) to the new inputs, as many.
        """
        self._queries = attrs.evolve(self._queries, inputs=replace(self._queries.inputs, self._queries.labels))
        self._gallery = attrs.evolve(self._gallery, inputs=replace(self._gallery.inputs, self._gallery.labels))

    def set_model(self, model: Any) -> None:
        """Take the model that is trained; Keras calls it."""
        super().set_model(similarity_model(model, self))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Score the model, when it is time, and put the scores into the logs."""
        if (epoch + 1) % self._every and epoch + 1 != self.params.get("epochs"):
            return
        found = self._answers()
        scores = {
            f"val_{prefix}{label}": value
            for prefix, mask in self._groups.items()
            for label, value in found.values(mask).items()
        }
        if logs is not None:
            logs.update(scores)
        if self._events is not None:
            self._events.add_scalars(scores, epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Finish TensorBoard's file."""
        if self._events is not None:
            self._events.close()

    def _answers(self) -> Answers:
        embeddings, labels = self.model.embed(self._queries.inputs), self._queries.labels
        with own_index(self.model, self._gallery, distance_of(self.model, self._distance)) as index:
            return answers(
                index, embeddings, labels, self._metrics, known=self._in_gallery, k=self._k, matcher=self._matcher
            )


def _groups(labels: np.ndarray, known_classes: Any) -> dict[str, np.ndarray]:
    """Return masks over the queries by the prefix of their scores."""
    groups = {"": np.ones(len(labels), dtype=bool)}
    if known_classes is not None:
        known = np.isin(labels, labels_of("known_classes", known_classes))
        groups |= {prefix: mask for prefix, mask in (("known_", known), ("unknown_", ~known)) if mask.any()}
    return groups


def _scorable(metrics: list[Metric], in_gallery: np.ndarray, gallery_labels: np.ndarray) -> list[Metric]:
    if not metrics:
        raise InvalidInputError("no metric is given; name at least one")
    for metric in metrics:
        if metric.task == "classification":
            raise InvalidInputError(
                f"{metric.label} scores decisions at a cut point, which is chosen after training; name a metric of "
                "another task here, such as 'precision@1'"
            )
        if metric.task in {"retrieval", "probe"} and not in_gallery.any():
            raise InvalidInputError(f"{metric.label}: the gallery holds the class of none of the queries")
        if metric.task == "probe" and len(np.unique(gallery_labels)) < 2:
            raise InvalidInputError(f"{metric.label} learns to tell classes apart; the gallery holds a single one")
        if metric.task == "open_set" and (in_gallery.all() or not in_gallery.any()):
            raise InvalidInputError(
                f"{metric.label} tells queries of classes that the gallery holds from others; these are all of one kind"
            )
    return metrics


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidInputError(f"{name} is {value!r}; it is a whole number from 1 up")
    return int(value)
