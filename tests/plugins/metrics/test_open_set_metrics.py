"""Open set metrics against scikit-learn and their definitions, with equal and missing distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import simplug

INF = np.inf
DISTANCES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, INF]), min_size=1, max_size=30)
RATES = st.sampled_from([0.01, 0.05, 0.29, 0.5, 0.9])


def score(config, known, unknown, right=None):
    """Score distances of known and of unknown queries; without `right`, known queries with a match have a right one."""
    distances = np.array([*known, *unknown], dtype=np.float64)
    is_known = np.arange(len(distances)) < len(known)
    matched = is_known & np.isfinite(distances) if right is None else np.append(right, np.zeros(len(unknown), bool))
    return simplug.metrics.build(config).score(distances, is_known, matched)


class TestUnknownAuroc:
    @given(DISTANCES, DISTANCES)
    @settings(max_examples=100, deadline=None)
    def test_it_equals_that_of_scikit_learn_with_missing_matches_the_farthest(self, known, unknown):
        truth = np.repeat([0, 1], [len(known), len(unknown)])
        expected = roc_auc_score(truth, np.minimum([*known, *unknown], 9))
        assert score("unknown_auroc", known, unknown) == pytest.approx(expected, abs=1e-12)

    def test_whether_the_match_is_right_does_not_count(self):
        assert score("unknown_auroc", [0.1, 0.2], [0.3], right=[False, False]) == 1.0


class TestDetectionAtFalseAlarm:
    @given(DISTANCES, DISTANCES, RATES)
    @settings(max_examples=100, deadline=None)
    def test_it_is_the_best_of_all_thresholds_within_the_rate(self, known, unknown, rate):
        known, unknown = np.array(known), np.array(unknown)
        best = 0.0
        for threshold in [-1.0, *np.append(known, unknown)]:
            # What has no match is called unknown at every threshold.
            alarms, found = ((part > threshold) | np.isinf(part) for part in (known, unknown))
            if alarms.mean() <= rate:
                best = max(best, found.mean())
        got = score({"name": "detection_at_false_alarm", "rate": rate}, known, unknown)
        assert got == pytest.approx(best, abs=1e-12)

    def test_a_rate_that_is_met_exactly_counts(self):
        config = {"name": "detection_at_false_alarm", "rate": 0.29}
        assert score(config, np.arange(100), [70.5, 71.5]) == 1.0
        assert score(config, np.arange(100), [70.5, 70.0]) == 0.5

    def test_known_queries_without_a_match_may_be_too_many(self):
        assert score("detection@false_alarm", [0.1] * 9 + [INF], [INF, 0.5]) == 0.0


class TestIdentificationAtFalseAlarm:
    @given(DISTANCES, DISTANCES, RATES, st.randoms(use_true_random=False))
    @settings(max_examples=100, deadline=None)
    def test_it_is_the_best_of_all_thresholds_within_the_rate(self, known, unknown, rate, random):
        known, unknown = np.array(known), np.array(unknown)
        right = np.array([random.random() < 0.7 for _ in known]) & np.isfinite(known)
        best = 0.0
        for threshold in known[np.isfinite(known)]:
            if np.mean(unknown <= threshold) <= rate:
                best = max(best, np.mean((known <= threshold) & right))
        got = score({"name": "identification_at_false_alarm", "rate": rate}, known, unknown, right)
        assert got == pytest.approx(best, abs=1e-12)

    def test_a_wrong_match_is_no_identification(self):
        assert score("identification@false_alarm", [0.1, 0.2], [0.3], right=[True, False]) == 0.5

    def test_a_known_query_as_far_as_the_nearest_unknown_is_rejected_with_it(self):
        assert score("identification@false_alarm", [0.1, 0.3], [0.3]) == 0.5
