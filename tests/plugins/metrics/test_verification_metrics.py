"""Verification metrics against scikit-learn and their definitions, and where distances are equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score, roc_curve

import simplug
from simplug.api import PairCounts

PAIRS = st.tuples(
    st.lists(st.integers(0, 12), min_size=1, max_size=40), st.lists(st.integers(0, 12), min_size=1, max_size=40)
)


def counts(positive, negative):
    """Count distances of positive and of negative pairs at each that occurs."""
    thresholds = np.unique(np.concatenate([positive, negative])).astype(np.float64)
    within = [(np.asarray(part)[:, None] <= thresholds).sum(axis=0) for part in (positive, negative)]
    return PairCounts(thresholds, *within)


def score(config, positive, negative):
    return simplug.metrics.build(config).score(counts(positive, negative))


def truth_and_distances(positive, negative):
    return np.repeat([1, 0], [len(positive), len(negative)]), np.concatenate([positive, negative])


def at_rate(positive, negative, rate):
    """Return the best TAR by trying every threshold, and rejecting everything."""
    shares = [0.0]
    for threshold in np.concatenate([positive, negative]):
        if np.mean(np.asarray(negative) <= threshold) <= rate:
            shares.append(np.mean(np.asarray(positive) <= threshold))
    return max(shares)


class TestRocAuc:
    @given(PAIRS)
    @settings(max_examples=100, deadline=None)
    def test_it_equals_that_of_scikit_learn_equal_distances_included(self, pairs):
        truth, distances = truth_and_distances(*pairs)
        assert score("roc_auc", *pairs) == pytest.approx(roc_auc_score(truth, -distances), abs=1e-12)

    def test_it_is_the_share_of_couples_in_the_right_order(self):
        # Of six couples four are in the right order, one is not, and one has equal distances.
        assert score("roc_auc", [1, 2, 3], [2, 4]) == pytest.approx(4.5 / 6)


class TestEqualErrorRate:
    def test_a_threshold_with_equal_rates_is_exact(self):
        assert score("eer", [1, 2, 3, 6], [4, 7, 8, 9]) == 0.25

    def test_between_two_thresholds_it_is_interpolated(self):
        # At 1 no negative and half of the positive pairs are accepted, at 2 a third of the negative and all positive.
        assert score("eer", [1, 2], [2, 3, 3]) == pytest.approx(0.5 * (1 / 3) / (1 / 2 + 1 / 3))

    @given(PAIRS)
    @settings(max_examples=100, deadline=None)
    def test_it_is_where_the_curve_of_scikit_learn_meets_the_diagonal(self, pairs):
        truth, distances = truth_and_distances(*pairs)
        far, tar, _ = roc_curve(truth, -distances, drop_intermediate=False)
        # Along a curve of straight lines, FAR - FRR goes from -1 to 1 without falling.
        expected = np.interp(0.0, far - (1 - tar), far)
        assert score("eer", *pairs) == pytest.approx(expected, abs=1e-12)

    def test_all_distances_equal_is_chance(self):
        assert score("eer", [1, 1], [1, 1, 1]) == 0.5


class TestTarAtFar:
    @given(PAIRS, st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.9]))
    @settings(max_examples=100, deadline=None)
    def test_it_is_the_best_of_all_thresholds_within_the_rate(self, pairs, rate):
        expected = at_rate(*pairs, rate)
        assert score({"name": "tar_at_far", "far": rate}, *pairs) == pytest.approx(expected, abs=1e-12)
        assert score({"name": "fnmr_at_fmr", "fmr": rate}, *pairs) == pytest.approx(1 - expected, abs=1e-12)

    def test_a_rate_that_is_met_exactly_counts(self):
        negative = np.arange(1000.0)
        for accepted in (1, 29, 57, 290, 999):
            rate = accepted / 1000
            assert score({"name": "tar_at_far", "far": rate}, negative, negative) == pytest.approx(rate, abs=1e-12)

    def test_nothing_is_accepted_where_the_nearest_pairs_are_negative(self):
        assert score("tar@far", [1, 2], [1, 3]) == 0.0
        assert score("fnmr@fmr", [1, 2], [1, 3]) == 1.0

    def test_labels_name_a_rate_that_is_not_the_default(self):
        assert simplug.metrics.build("tar@far").label == "tar@far"
        assert simplug.metrics.build({"name": "tar_at_far", "far": 1e-4}).label == "tar@far(far=0.0001)"


class TestBestAccuracy:
    @given(PAIRS)
    @settings(max_examples=50, deadline=None)
    def test_it_is_the_best_of_all_thresholds(self, pairs):
        truth, distances = truth_and_distances(*pairs)
        decisions = [distances <= threshold for threshold in [-1, *np.unique(distances)]]
        expected = max(accuracy_score(truth, decision) for decision in decisions)
        assert score("best_accuracy", *pairs) == pytest.approx(expected)
        balanced = max(balanced_accuracy_score(truth, decision) for decision in decisions)
        assert score({"name": "best_accuracy", "balanced": True}, *pairs) == pytest.approx(balanced)

    def test_rejecting_every_pair_counts_as_a_decision(self):
        assert score("best_accuracy", [3], [1] * 99) == 0.99
        assert score({"name": "best_accuracy", "balanced": True}, [3], [1] * 99) == 0.5
