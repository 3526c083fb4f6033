"""Classification metrics against scikit-learn, and their values where a denominator is 0."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

import simplug

ORACLES = {
    "precision": lambda right, accepted: sklearn_metrics.precision_score(right, accepted, zero_division=1.0),
    "recall": lambda right, accepted: sklearn_metrics.recall_score(right, accepted, zero_division=0.0),
    "f1": lambda right, accepted: sklearn_metrics.f1_score(right, accepted, zero_division=0.0),
    "binary_accuracy": sklearn_metrics.accuracy_score,
    "fpr": lambda right, accepted: 1 - sklearn_metrics.recall_score(~right, ~accepted, zero_division=1.0),
    "npv": lambda right, accepted: sklearn_metrics.precision_score(~right, ~accepted, zero_division=1.0),
}


def counts(right, accepted):
    decisions = (right & accepted, ~right & accepted, ~right & ~accepted, right & ~accepted)
    return tuple(np.asarray(decision.sum()) for decision in decisions)


@pytest.mark.parametrize("name", ORACLES)
def test_a_metric_equals_that_of_scikit_learn_on_random_decisions(name):
    rng = np.random.default_rng(0)
    metric = simplug.metrics.build(name)
    for size in [1, 2, 3, 4, 20, 100] * 10:
        right, accepted = rng.random((2, size)) < rng.random((2, 1))
        assert metric.score(*counts(right, accepted)) == pytest.approx(ORACLES[name](right, accepted))


@pytest.mark.parametrize(
    ("name", "value"),
    [("precision", 1), ("recall", 0), ("f1", 0), ("fpr", 0), ("npv", 1), ("binary_accuracy", 0)],
)
def test_a_score_without_a_denominator_has_its_documented_value(name, value):
    nothing = np.zeros(2, dtype=np.int64)
    assert simplug.metrics.build(name).score(nothing, nothing, nothing, nothing).tolist() == [value, value]


def test_only_the_false_positive_rate_is_minimised():
    assert [name for name in ORACLES if not simplug.metrics.get(name).maximize] == ["fpr"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("f1", [0.555556, 0.851064]),
        ("precision", [0.909091, 0.909091]),
        ("recall", [0.4, 0.8]),
        ("fpr", [0.090909, 0.181818]),
        ("npv", [0.4, 0.642857]),
        # TensorFlow Similarity has TP / all here, [0.277778, 0.555556]: it gives nothing for a right rejection.
        ("binary_accuracy", [20 / 36, 29 / 36]),
    ],
)
def test_scores_from_counts_are_those_of_tensorflow_similarity(name, values):
    tp, fp, tn, fn = (np.array(count) for count in ([10, 20], [1, 2], [10, 9], [15, 5]))
    assert simplug.metrics.build(name).score(tp, fp, tn, fn) == pytest.approx(values, abs=1e-6)
