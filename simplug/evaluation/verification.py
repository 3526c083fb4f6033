"""Scores of pairs: whether two examples are of one class, decided by their distance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from simplug.api.distance import Distance
from simplug.api.metric import VerificationMetric
from simplug.api.pair_counts import PairCounts
from simplug.evaluation.checking import built_metrics
from simplug.evaluation.intervals import Sample
from simplug.evaluation.pair_blocks import Examples
from simplug.evaluation.pairs import Cells, checked_pairs, counted
from simplug.evaluation.scores import Scores
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.registry import registry_of

_DRAWN = 64
"""How many draws are counted together."""


class VerificationScores(Scores):
    """Scores of pairs by the label of their metric, such as ``{"roc_auc": 0.98}``.

    Two pairs with one example in common are not independent, so intervals do not draw pairs but groups of examples: a
    pair of two groups counts as often as the product of the times that each was drawn. Pairs to references draw groups
    of the examples alone; the interval then says how far the scores may be off with other examples against the same
    references. Of other classes it says nothing. The draws are scored in bins of some 5e-4 of the distance.

    Attributes:
        counts: The numbers of positive and negative pairs by their distance, from which curves are drawn.
    """

    def __init__(
        self, metrics: Mapping[str, VerificationMetric], counts: PairCounts, cells: Cells, groups: int
    ) -> None:
        self.counts = counts
        self._metrics = dict(metrics)
        self._cells = cells
        # Of references, which are one group and always there, no cell has a second group.
        self._both = bool(cells.groups[:, 1].any())
        super().__init__(
            {label: metric.score(counts) for label, metric in metrics.items()}, Sample(groups, self._of_draws)
        )

    def intervals(self, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> dict[str, tuple[float, float]]:
        """Return the bootstrap interval of each score, which holds the score itself.

        Args:
            level: The share of the draws that the interval holds, between 0 and 1.
            resamples: How many draws are made.
            seed: The same seed gives the same intervals.

        Returns:
            The lower and the upper end by the label of the metric.

        Raises:
            InvalidInputError: An argument is out of range.
        """
        found = super().intervals(level, resamples, seed)
        return {label: (min(low, self[label]), max(high, self[label])) for label, (low, high) in found.items()}

    def _of_draws(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return the (b,) scores for (b, groups) weights."""
        first, second = self._cells.groups.T
        of_cells = weights[:, first] * (weights[:, second] if self._both else 1)
        table = self._cells.counts.reshape(len(first), -1).astype(np.float64)
        scores = {label: np.full(len(weights), np.nan) for label in self._metrics}
        for start in range(0, len(weights), _DRAWN):
            drawn = (of_cells[start : start + _DRAWN] @ table).reshape(-1, *self._cells.counts.shape[1:])
            for draw, counts in enumerate(self._counts_of(drawn), start):
                if counts.all_positives and counts.all_negatives:
                    for label, metric in self._metrics.items():
                        scores[label][draw] = metric.score(counts)
        return scores

    def _counts_of(self, drawn: np.ndarray) -> Iterator[PairCounts]:
        """Yield the counts within each threshold, from (b, t, 2) whole numbers between one and the next."""
        for negatives, positives in drawn.cumsum(axis=1).round().astype(np.int64).transpose(0, 2, 1):
            yield PairCounts(self._cells.thresholds, positives, negatives)


def evaluate_verification(
    embeddings: Any,
    labels: Any,
    references: Any = None,
    reference_labels: Any = None,
    *,
    metrics: Sequence[Any] = ("roc_auc", "eer", "tar@far"),
    distance: str | dict[str, Any] | Distance = "cosine",
    groups: int = 20,
    seed: int = 0,
) -> VerificationScores:
    """Score the decision whether two examples are of one class, over all pairs.

    The pairs are those of :func:`simplug.evaluation.count_pairs`: all within one set, or all from examples to
    references. Memory does not grow with their number. Within one set, a distance that is not symmetric is measured in
    one direction, which chance decides.

    Args:
        embeddings: (n, d) finite numbers.
        labels: (n,) integer labels; a pair is positive when its two labels are equal.
        references: (m, d) finite numbers; None for pairs within `embeddings`.
        reference_labels: (m,) integer labels; to be given with references.
        metrics: Verification metrics, by name such as ``"roc_auc"``, as tables or instances.
        distance: How far two examples are apart.
        groups: Into how many groups examples are put at random, for intervals; the fewer, the rougher these are.
        seed: Of the groups.

    Returns:
        The score of each metric by its label; also the counts, and intervals on request.

    Raises:
        InvalidInputError: The arrays are unusable or do not fit together, there is no positive or no negative pair, or
            a metric has another task.
    """
    built = built_metrics(metrics, VerificationMetric)
    measured = registry_of("distance").build(distance)
    examples, others = checked_pairs(embeddings, labels, references, reference_labels, measured)
    return score_pairs(built, measured, examples, others, groups=groups, seed=seed)


def score_pairs(
    metrics: Mapping[str, VerificationMetric],
    distance: Distance,
    examples: Examples,
    references: Iterable[Examples] | Examples | None,
    total: int = 0,
    *,
    groups: int = 20,
    seed: int = 0,
) -> VerificationScores:
    """Score pairs as :func:`evaluate_verification` does.

    Args:
        metrics: The metrics by their labels.
        distance: What to measure.
        examples: The examples that pairs are measured from.
        references: Those that pairs are measured to, or blocks of them; None for pairs within `examples`.
        total: How many references there are, if they come in blocks.
        groups: Into how many groups examples are put at random.
        seed: Of the groups.

    Raises:
        InvalidInputError: The number of groups is no integer from 1.
    """
    if isinstance(groups, bool) or not isinstance(groups, int | np.integer) or groups < 1:
        raise InvalidInputError(f"groups is {groups!r}; it is an integer from 1, such as 20")
    count = min(int(groups), len(examples))
    order = np.random.default_rng(seed).permutation(len(examples))
    grouped = Examples(
        examples.embeddings[order],
        examples.labels[order],
        np.arange(len(order)) * count // max(1, len(order)),
        None if examples.ids is None else examples.ids[order],
    )
    return VerificationScores(metrics, *counted(distance, grouped, references, total), count)
