"""Scores, and what they were made of: values of queries, classes, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np

from simplug.evaluation.intervals import Sample, bootstrap
from simplug.kernel.errors import InvalidInputError, did_you_mean

AVERAGES = ("micro", "macro")
"""The mean over queries, and the mean over classes of the mean over the queries of each class."""


class Scores(dict[str, float]):
    """Scores by the label of their metric, such as ``{"roc_auc": 0.98}``: a plain dict for whoever reads them.

    Args:
        values: The scores.
        sample: What they were made of; None when they cannot be made again.
    """

    def __init__(self, values: Mapping[str, float], sample: Sample | None = None) -> None:
        super().__init__(values)
        self._sample = sample

    @property
    def has_intervals(self) -> bool:
        """Whether these scores keep what they were made of, so that there are intervals of them."""
        return self._sample is not None

    def intervals(self, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> dict[str, tuple[float, float]]:
        """Return the bootstrap interval of each score, as :func:`simplug.evaluation.intervals.bootstrap` makes it.

        Args:
            level: The share of the draws that the interval holds, between 0 and 1.
            resamples: How many draws are made.
            seed: The same seed gives the same intervals.

        Returns:
            The lower and the upper end by the label of the metric.

        Raises:
            InvalidInputError: An argument is out of range, or these scores cannot be made again.
        """
        if self._sample is None:
            raise InvalidInputError(
                f"the scores {', '.join(self)} do not keep what they were made of; there is nothing to draw from"
            )
        return bootstrap(self._sample, level=level, resamples=resamples, seed=seed)


class QueryScores(Scores):
    """Scores that are means of values of queries, by the label of their metric, such as ``{"knn_probe": 0.93}``.

    Queries without a record of their class in the gallery are left out: no answer could be right for them. Intervals
    draw queries; with the macro average, a class none of whose queries is drawn is left out of that draw.

    Attributes:
        values_by_query: (q,) float64 values of the queries that were scored, by the label of the metric.
        classes: (q,) int64 labels of these queries.
        scored: (n,) booleans over all queries: whether each was scored; q of them are true.
        average: ``"micro"``, the mean over queries, or ``"macro"``, the mean over classes of the mean over the queries
            of each class.
    """

    def __init__(
        self,
        values_by_query: Mapping[str, np.ndarray],
        classes: np.ndarray,
        scored: np.ndarray,
        average: str = "micro",
    ) -> None:
        self.values_by_query = dict(values_by_query)
        self.classes = classes
        self.scored = scored
        self.average = checked_average(average)
        super().__init__(
            {label: float(_mean(values, classes, average)) for label, values in self.values_by_query.items()},
            Sample(len(classes), self._of_draws),
        )

    @property
    def queries(self) -> int:
        """How many queries were scored."""
        return len(self.classes)

    @property
    def left_out(self) -> int:
        """How many queries were not, because the gallery holds nothing with their label."""
        return len(self.scored) - len(self.classes)

    def per_class(self) -> dict[int, dict[str, float]]:
        """Return the mean over the queries of each class, by its label; classes ascend."""
        names, member = np.unique(self.classes, return_inverse=True)
        columns = {label: _class_means(values, member).tolist() for label, values in self.values_by_query.items()}
        return {
            name: {label: column[place] for label, column in columns.items()}
            for place, name in enumerate(names.tolist())
        }

    def averaged(self, average: str) -> Self:
        """Return the same scores averaged over queries (``"micro"``) or over classes (``"macro"``)."""
        return type(self)(self.values_by_query, self.classes, self.scored, average)

    def of(self, queries: np.ndarray) -> Self:
        """Return the scores of some of the queries alone, such as those of classes that training has not seen.

        Args:
            queries: (n,) booleans over all queries, those that were not scored among them.

        Raises:
            InvalidInputError: The booleans do not fit, or none of these queries was scored.
        """
        mask = np.asarray(queries)
        if mask.dtype != np.bool_ or mask.shape != self.scored.shape:
            raise InvalidInputError(
                f"queries have shape {mask.shape} and dtype {mask.dtype}; they are {len(self.scored)} booleans, one a "
                "query"
            )
        kept = mask[self.scored]
        if not kept.any():
            raise InvalidInputError(
                f"none of these {np.count_nonzero(mask)} queries has a record with its label in the gallery; there is "
                "nothing to score"
            )
        values = {label: values[kept] for label, values in self.values_by_query.items()}
        return type(self)(values, self.classes[kept], self.scored[mask], self.average)

    def _of_draws(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return the (b,) averages for (b, q) weights of the queries."""
        if self.average == "micro":
            return {label: weights @ values / weights.sum(axis=1) for label, values in self.values_by_query.items()}
        order = np.argsort(self.classes, kind="stable")
        starts = np.unique(self.classes[order], return_index=True)[1]
        weights = weights[:, order]
        sizes = np.add.reduceat(weights, starts, axis=1)
        drawn = sizes > 0
        return {
            label: np.divide(
                np.add.reduceat(weights * values[order], starts, axis=1), sizes, out=np.zeros_like(sizes), where=drawn
            ).sum(axis=1)
            / np.count_nonzero(drawn, axis=1)
            for label, values in self.values_by_query.items()
        }


class RetrievalScores(QueryScores):
    """Scores of ranked neighbours by the label of their metric, such as ``{"recall@1": 0.93}``."""


def checked_average(average: str) -> str:
    """Return the name of an average.

    Raises:
        InvalidInputError: There is no such average.
    """
    if average not in AVERAGES:
        raise InvalidInputError(
            f"average is {average!r}; it is one of {', '.join(AVERAGES)}{did_you_mean(str(average), AVERAGES)}"
        )
    return average


def _mean(values: np.ndarray, classes: np.ndarray, average: str) -> np.floating:
    if average == "macro":
        values = _class_means(values, np.unique(classes, return_inverse=True)[1])
    mean: np.floating = np.mean(values)
    return mean


def _class_means(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return the mean of (q,) values for each class, given the number of each query's class."""
    means: np.ndarray = np.bincount(member, weights=values) / np.bincount(member)
    return means
