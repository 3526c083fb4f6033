"""The contract of metrics, one class a task: what each task is given to score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import attrs
import numpy as np

from simplug.api.distance import Distance
from simplug.api.pair_counts import PairCounts, PairSummary
from simplug.kernel.component import Component, fields_of
from simplug.kernel.config import label_of, to_config


class Metric(Component, ABC):
    """A score.

    Attributes:
        task: What it scores: ``"retrieval"``, ``"classification"``, ``"verification"``, ``"open_set"``,
            ``"clustering"``, ``"probe"`` or ``"training"``.
        maximize: Whether higher is better.
    """

    kind: ClassVar[str] = "metric"
    task: ClassVar[str]
    maximize: ClassVar[bool] = True

    @property
    def label(self) -> str:
        """The name under which results are reported, such as ``recall@5``.

        Settings that are not in that name and differ from their defaults follow in parentheses, such as
        ``map@5(denominator=relevant)``, so that two metrics that differ never share a label.
        """
        config = to_config(self)
        required = [field for field in fields_of(type(self)) if field.default is attrs.NOTHING]
        unchanged = to_config(type(self)(**{str(field.alias): getattr(self, field.name) for field in required}))
        name = label_of(config)
        told = {"name", "k"} if name.endswith(f"@{config.get('k')}") else {"name"}
        needed = {field.alias for field in required}
        settings = ", ".join(
            f"{key}={value}"
            for key, value in config.items()
            if key not in told and (key in needed or value != unchanged[key])
        )
        return f"{name}({settings})" if settings else name


class RetrievalMetric(Metric):
    """A score of ranked neighbours, one value a query."""

    task: ClassVar[str] = "retrieval"

    @abstractmethod
    def depth(self, relevant: np.ndarray) -> int:
        """Return how many neighbours are needed, given (q,) numbers of relevant records in the gallery.

        It may be more than the gallery holds; the caller then fetches the whole gallery.
        """

    @abstractmethod
    def score(self, hits: np.ndarray, relevant: np.ndarray) -> np.ndarray:
        """Return the (q,) scores of queries.

        Args:
            hits: (q, n) booleans, nearest first: whether that neighbour has the query's label. n is at least
                :meth:`depth`, or the size of the gallery where that is smaller.
            relevant: (q,) numbers of records with the query's label in the gallery, the query itself left out; at
                least 1.
        """


class ClassificationMetric(Metric):
    """A score of decisions at a threshold, from counts.

    Attributes:
        zero_division: The value where the denominator is 0.
        cut_at: Which of the distances that reach a wanted value becomes the cut point. A metric that is perfect when
            everything is accepted, such as recall, asks for the ``"smallest"``; any other for the ``"largest"``.
    """

    task: ClassVar[str] = "classification"
    zero_division: ClassVar[float] = 0.0
    cut_at: ClassVar[Literal["smallest", "largest"]] = "largest"

    @abstractmethod
    def fraction(self, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator, from counts of any one shape.

        A query is positive when its match is within the threshold, and true when the match has the query's label or,
        if it is rejected, has not.
        """

    def score(self, tp: np.ndarray, fp: np.ndarray, tn: np.ndarray, fn: np.ndarray) -> np.ndarray:
        """Return the score for counts of any one shape, float64."""
        numerator, denominator = (np.asarray(part, dtype=np.float64) for part in self.fraction(tp, fp, tn, fn))
        safe = np.where(denominator == 0, 1.0, denominator)
        return np.where(denominator == 0, self.zero_division, numerator / safe)


class VerificationMetric(Metric):
    """A score of the decision whether two examples are of one class, from counts of pairs by their distance."""

    task: ClassVar[str] = "verification"

    @abstractmethod
    def score(self, counts: PairCounts) -> float:
        """Return the score.

        Args:
            counts: How many positive and negative pairs lie within each distance; there is at least one of each.
        """


class OpenSetMetric(Metric):
    """A score of telling queries of classes that the gallery holds (known) from queries of others (unknown)."""

    task: ClassVar[str] = "open_set"

    @abstractmethod
    def score(self, distances: np.ndarray, known: np.ndarray, right: np.ndarray) -> float:
        """Return the score.

        Args:
            distances: (q,) float64 distances of the matches, the larger the more unknown; inf where there is none.
            known: (q,) booleans: whether the gallery holds the query's class; some do and some do not.
            right: (q,) booleans: whether the match has the query's label; never true for an unknown query.
        """


class ClusteringMetric(Metric):
    """A score of clusters that were made without the labels."""

    task: ClassVar[str] = "clustering"

    @abstractmethod
    def score(self, labels: np.ndarray, clusters: np.ndarray) -> float:
        """Return the score of (n,) numbers of clusters, given (n,) labels; n is at least 1."""


class ProbeMetric(Metric):
    """A score of a plain classifier that learns from the embeddings of a gallery, one value a query.

    The embeddings are frozen: what the classifier can do says what is in them.
    """

    task: ClassVar[str] = "probe"

    @abstractmethod
    def score(
        self,
        gallery: np.ndarray,
        gallery_labels: np.ndarray,
        queries: np.ndarray,
        labels: np.ndarray,
        distance: Distance,
    ) -> np.ndarray:
        """Return the (q,) scores of queries, such as 1 where the classifier is right and 0 where it is not.

        Args:
            gallery: (n, d) float32 embeddings to learn from, as the model gives them.
            gallery_labels: (n,) int64 labels of them; at least two differ.
            queries: (q, d) float32 embeddings to classify.
            labels: (q,) int64 labels of the queries, each of them one of the gallery.
            distance: How far two embeddings are apart, for classifiers that ask.
        """


class TrainingMetric(Metric):
    """A number that tells how the space of the embeddings looks: whether classes part, whether it collapses.

    It has no best value: `maximize` says which way is the better one while others stay as they are.
    """

    task: ClassVar[str] = "training"

    @abstractmethod
    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the number.

        Args:
            embeddings: (n, d) float32, as the model gives them; n is at least 2.
            pairs: The distances of all pairs of two examples.
        """
