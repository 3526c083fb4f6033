"""The checks of metrics."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from simplug.api import ClassificationMetric, Metric, RetrievalMetric
from simplug.testing.batches import shuffled
from simplug.testing.component import ComponentSuite

Case = tuple[np.ndarray, ...]
"""The arguments of :meth:`score`: hits and numbers of relevant records, or the four counts."""


class MetricSuite(ComponentSuite):
    """Checks that a metric is 1 at its best and 0 at its worst (the other way round if smaller is better)."""

    kind: ClassVar[str] = "metric"
    number_of_checks: ClassVar[int] = 27

    def test_it_scores_a_task(self, component: Metric) -> None:
        """Retrieval or classification, by the contract of that task."""
        contract = {"retrieval": RetrievalMetric, "classification": ClassificationMetric}[component.task]
        assert isinstance(component, contract)

    def test_a_perfect_result_has_the_best_value(self, component: Metric) -> None:
        """Every relevant record first; no wrong decision."""
        np.testing.assert_allclose(_score(component, _perfect(component)), float(component.maximize), atol=1e-12)

    def test_the_worst_result_has_the_worst_value(self, component: Metric) -> None:
        """No relevant record at all; no right decision."""
        np.testing.assert_allclose(_score(component, _worst(component)), float(not component.maximize), atol=1e-12)

    def test_values_are_from_zero_to_one(self, component: Metric) -> None:
        """Whatever the result."""
        values = _score(component, _random(component))
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        assert (values <= 1).all()

    def test_there_is_a_value_for_each_query_or_threshold(self, component: Metric) -> None:
        """(q,) for retrieval; the shape of the counts, of any rank, for classification."""
        case = _random(component, count=12)
        assert _score(component, case).shape == (12,)
        if isinstance(component, ClassificationMetric):
            assert _score(component, tuple(part.reshape(3, 4) for part in case)).shape == (3, 4)
            assert _score(component, tuple(part[0] for part in case)).shape == ()
        else:
            assert _score(component, tuple(part[:0] for part in case)).shape == (0,)

    def test_the_order_of_the_queries_does_not_matter(self, component: Metric) -> None:
        """Each value depends on its own query or threshold alone."""
        case, order = _random(component, count=12), shuffled(12)
        moved = _score(component, tuple(part[order] for part in case))
        np.testing.assert_array_equal(moved, _score(component, case)[order])

    def test_a_better_result_is_never_scored_lower(self, component: Metric) -> None:
        """A relevant record that moves up, or a wrong decision made right, does no harm."""
        sign = 1 if component.maximize else -1
        case = _random(component, count=200)
        values = _score(component, case)
        for better in _improved(component, case):
            assert (sign * (_score(component, better) - values) >= -1e-12).all()

    def test_what_lies_beyond_its_view_does_not_count(self, component: Metric) -> None:
        """Neighbours beyond the depth; for counts, ten times as many of each."""
        if isinstance(component, RetrievalMetric):
            relevant = np.full(12, 50)
            hits = _hits(component, relevant, most=20)
            wide = np.hstack([hits, np.ones((12, 30), bool)])
            np.testing.assert_allclose(_score(component, (wide, relevant)), _score(component, (hits, relevant)))
        else:
            case = _random(component, count=12)
            np.testing.assert_allclose(_score(component, tuple(10 * part for part in case)), _score(component, case))

    def test_too_little_to_score_is_finite(self, component: Metric) -> None:
        """A gallery smaller than the depth; a denominator of 0, which has a value that the class names."""
        if isinstance(component, RetrievalMetric):
            values = _score(component, (np.ones((4, 1), bool), np.ones(4, np.int64)))
            assert np.isfinite(values).all()
        else:
            assert isinstance(component, ClassificationMetric)
            zeros = np.zeros(3, np.int64)
            np.testing.assert_array_equal(_score(component, (zeros,) * 4), component.zero_division)

    def test_its_label_names_it(self, component: Metric) -> None:
        """Without further settings in parentheses, the label is the short form of this very metric in a config."""
        label = component.label
        assert label.strip() == label != ""
        assert "(" in label or self.registry.build(label) == component

    def test_what_is_given_is_left_alone(self, component: Metric) -> None:
        """The neighbours are scored by several metrics."""
        case = _random(component)
        before = tuple(part.copy() for part in case)
        _score(component, case)
        for part, kept in zip(case, before, strict=True):
            np.testing.assert_array_equal(part, kept)


def _score(component: Any, case: Case) -> np.ndarray:
    return np.asarray(component.score(*case))


def _depth(component: RetrievalMetric, least: int = 20) -> int:
    """Return a number of relevant records that fills everything the metric looks at."""
    depth = component.depth(np.full(4, least))
    assert isinstance(depth, int | np.integer)
    assert depth >= 1
    return max(int(depth), least)


def _perfect(component: Metric) -> Case:
    if isinstance(component, RetrievalMetric):
        depth = _depth(component)
        return np.ones((4, depth), bool), np.full(4, depth)
    right, wrong = np.full(4, 10), np.zeros(4, np.int64)
    return right, wrong, right, wrong


def _worst(component: Metric) -> Case:
    if isinstance(component, RetrievalMetric):
        depth = _depth(component)
        return np.zeros((4, depth), bool), np.full(4, depth)
    right, wrong = np.zeros(4, np.int64), np.full(4, 10)
    return right, wrong, right, wrong


def _random(component: Metric, count: int = 50) -> Case:
    rng = np.random.default_rng(0)
    if isinstance(component, RetrievalMetric):
        relevant = rng.integers(1, 21, size=count)
        return _hits(component, relevant, most=relevant[:, None]), relevant
    tp, fp, tn, fn = rng.integers(0, 20, size=(4, count))
    return tp, fp, tn, fn


def _hits(component: RetrievalMetric, relevant: np.ndarray, most: Any) -> np.ndarray:
    """Return random hits as deep as the metric looks, no more of them than `most`."""
    rng = np.random.default_rng(1)
    hits = rng.uniform(size=(len(relevant), component.depth(relevant))) < rng.uniform(size=(len(relevant), 1))
    return np.asarray(hits & (np.cumsum(hits, axis=1) <= most))


def _improved(component: Metric, case: Case) -> list[Case]:
    if isinstance(component, RetrievalMetric):
        hits, relevant = case
        up = hits.copy()
        for row in up:
            swaps = np.flatnonzero(~row[:-1] & row[1:])
            if len(swaps):
                row[swaps[0]], row[swaps[0] + 1] = True, False
        return [(up, relevant)]
    tp, fp, tn, fn = case
    accepted, rejected = np.minimum(fp, 1), np.minimum(fn, 1)
    return [(tp, fp - accepted, tn + accepted, fn), (tp + rejected, fp, tn, fn - rejected)]
