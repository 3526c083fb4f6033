"""Clustering metrics against their definitions, and values known from the papers' own examples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

import simplug

ORACLES = {
    "ami": sklearn_metrics.adjusted_mutual_info_score,
    "ari": sklearn_metrics.adjusted_rand_score,
    "nmi": sklearn_metrics.normalized_mutual_info_score,
}


def entropy(counts):
    shares = counts[counts > 0] / counts.sum()
    return -np.sum(shares * np.log(shares))


@pytest.mark.parametrize("name", ORACLES)
def test_a_metric_equals_that_of_scikit_learn(name):
    rng = np.random.default_rng(0)
    for classes in (2, 5, 40):
        labels, clusters = rng.integers(0, classes, (2, 200))
        clusters = np.where(rng.random(200) < 0.5, labels, clusters)
        assert simplug.metrics.build(name).score(labels, clusters) == pytest.approx(ORACLES[name](labels, clusters))


def test_nmi_is_twice_the_mutual_information_over_both_entropies():
    rng = np.random.default_rng(1)
    labels, clusters = rng.integers(0, 6, (2, 300))
    table = np.zeros((6, 6))
    np.add.at(table, (labels, clusters), 1)
    mutual = entropy(table.sum(0)) + entropy(table.sum(1)) - entropy(table.ravel())
    expected = 2 * mutual / (entropy(table.sum(0)) + entropy(table.sum(1)))
    assert simplug.metrics.build("nmi").score(labels, clusters) == pytest.approx(expected, abs=1e-12)


def test_what_is_corrected_for_chance_is_near_0_for_random_clusters_and_nmi_is_not():
    rng = np.random.default_rng(2)
    labels, clusters = rng.integers(0, 100, (2, 400))
    scores = {name: simplug.metrics.build(name).score(labels, clusters) for name in ORACLES}
    assert abs(scores["ami"]) < 0.05
    assert abs(scores["ari"]) < 0.05
    assert scores["nmi"] > 0.5
