"""The checks of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import attrs
import numpy as np

from simplug.api import ClassificationMetric, Metric
from simplug.testing.component import ComponentSuite
from simplug.testing.metric_cases import CASES, Case, Cases


class MetricSuite(ComponentSuite):
    """Checks that a metric is 1 at its best and never prefers the worse result, whatever its task.

    A metric for which smaller is better is 0 at its best. A training metric has no best value.
    """

    kind: ClassVar[str] = "metric"
    number_of_checks: ClassVar[int] = 27

    def test_it_scores_a_task(self, component: Metric) -> None:
        """Retrieval, classification, verification, open_set, clustering, probe or training, by its contract."""
        assert component.task in CASES
        assert isinstance(component, CASES[component.task].contract)

    def test_a_perfect_result_has_the_best_value(self, component: Metric) -> None:
        """Every relevant record first; no wrong decision; no negative pair near; clusters are classes."""
        cases = _cases(component)
        value = _score(component, cases.perfect())
        if cases.has_best:
            np.testing.assert_allclose(value, float(component.maximize), atol=1e-12)
        else:
            assert np.isfinite(value).all()

    def test_the_worst_result_has_the_worst_value(self, component: Metric) -> None:
        """No relevant record at all, no right decision; for a task with one value, no other result has a worse one."""
        cases = _cases(component)
        value = _score(component, cases.worst())
        if cases.has_worst:
            np.testing.assert_allclose(value, float(not component.maximize), atol=1e-12)
        else:
            for better in (cases.random(), cases.perfect()):
                assert _sign(component) * (_score(component, better) - value) >= -1e-12

    def test_values_are_from_zero_to_one(self, component: Metric) -> None:
        """Whatever the result; one that is corrected for chance may be below 0, and one of training need be finite."""
        cases = _cases(component)
        values = _score(component, cases.random())
        assert np.isfinite(values).all()
        assert (values >= cases.least).all()
        assert (values <= (1 if cases.has_best else np.inf)).all()

    def test_there_is_a_value_for_each_query_or_threshold(self, component: Metric) -> None:
        """(q,) for retrieval and probes; the shape of the counts, of any rank, for classification; else one float."""
        cases = _cases(component)
        case = cases.random()
        if not cases.many:
            assert isinstance(component.score(*case), float)  # type: ignore[attr-defined]
            return
        case = cases.first(case, 12)
        assert _score(component, case).shape == (12,)
        if isinstance(component, ClassificationMetric):
            assert _score(component, tuple(part.reshape(3, 4) for part in case)).shape == (3, 4)
            assert _score(component, tuple(part[0] for part in case)).shape == ()
        else:
            assert _score(component, cases.first(case, 0)).shape == (0,)

    def test_the_order_of_the_queries_does_not_matter(self, component: Metric) -> None:
        """Each value depends on its own query or threshold alone; of distances of pairs, their order alone matters."""
        cases = _cases(component)
        case = cases.random()
        values = _score(component, case)
        moved, order = cases.reordered(case)
        np.testing.assert_allclose(_score(component, moved), values if order is None else values[order], rtol=1e-9)

    def test_a_better_result_is_never_scored_lower(self, component: Metric) -> None:
        """A relevant record that moves up, a wrong decision made right or a positive pair made nearer does no harm."""
        cases = _cases(component)
        case = cases.random()
        values = _score(component, case)
        for better in cases.improved(case):
            assert (_sign(component) * (_score(component, better) - values) >= -1e-12).all()

    def test_what_lies_beyond_its_view_does_not_count(self, component: Metric) -> None:
        """Neighbours beyond the depth; ten times as many of each; the numbers of clusters and classes."""
        for one, other in _cases(component).alike():
            np.testing.assert_allclose(_score(component, other), _score(component, one), rtol=1e-6, atol=1e-12)

    def test_too_little_to_score_is_finite(self, component: Metric) -> None:
        """A gallery smaller than the depth; a denominator of 0, which has a value that the class names; one example."""
        for case in _cases(component).little():
            values = _score(component, case)
            assert np.isfinite(values).all()
            if isinstance(component, ClassificationMetric):
                np.testing.assert_array_equal(values, component.zero_division)

    def test_its_label_names_it(self, component: Metric) -> None:
        """Without further settings in parentheses, the label is the short form of this very metric in a config."""
        label = component.label
        assert label.strip() == label != ""
        assert "(" in label or self.registry.build(label) == component

    def test_what_is_given_is_left_alone(self, component: Metric) -> None:
        """The result is scored by several metrics."""
        case = _cases(component).random()
        before = [part.copy() for part in _arrays(case)]
        _score(component, case)
        for part, kept in zip(_arrays(case), before, strict=True):
            np.testing.assert_array_equal(part, kept)


def _cases(component: Metric) -> Cases:
    return CASES[component.task](component)


def _score(component: Any, case: Case) -> np.ndarray:
    return np.asarray(component.score(*case))


def _sign(component: Metric) -> int:
    return 1 if component.maximize else -1


def _arrays(case: Case) -> Iterator[np.ndarray]:
    """Yield the arrays of a case, those in records included."""
    for part in case:
        if isinstance(part, np.ndarray):
            yield part
        else:
            yield from _arrays(attrs.astuple(part, recurse=False) if attrs.has(type(part)) else ())
