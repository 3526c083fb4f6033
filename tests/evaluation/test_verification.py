"""Scores of pairs, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.evaluation import VerificationScores, count_pairs, evaluate_verification
from simplug.evaluation import pairs as counting
from simplug.kernel.errors import InvalidInputError

METRICS = ["roc_auc", "eer", "tar@far", {"name": "tar_at_far", "far": 0.05}, "best_accuracy"]


def blobs(count, seed=0, classes=8, dim=10):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centers = np.random.default_rng(7).normal(size=(classes, dim))
    return (centers[labels] + rng.normal(size=(count, dim))).astype(np.float32), labels


@pytest.mark.parametrize("few", [0, 1 << 22])
def test_scores_are_those_of_the_counts(few, monkeypatch):
    monkeypatch.setattr(counting, "_FEW", few)
    embeddings, labels = blobs(300)
    scores = evaluate_verification(embeddings, labels, metrics=METRICS, distance="euclidean")
    counts = count_pairs(embeddings, labels, distance="euclidean")
    built = [simplug.metrics.build(metric) for metric in METRICS]
    # The median of which distances are seen from depends on the order of the examples, and so does the last digit.
    assert scores == pytest.approx({metric.label: metric.score(counts) for metric in built}, abs=1e-4)
    assert scores.counts.all_positives == counts.all_positives
    assert scores.counts.all_negatives == counts.all_negatives
    assert isinstance(scores, VerificationScores)
    assert all(type(value) is float for value in scores.values())


def test_the_number_of_groups_changes_nothing_but_intervals():
    embeddings, labels = blobs(150)
    one, many = (evaluate_verification(embeddings, labels, groups=groups, seed=groups) for groups in (1, 1000))
    assert one == pytest.approx(many)
    low, high = one.intervals(resamples=10)["roc_auc"]
    assert low == pytest.approx(high, abs=1e-3)
    low, high = many.intervals(resamples=50)["roc_auc"]
    assert low < many["roc_auc"] < high


@pytest.mark.parametrize("two_sets", [False, True])
def test_draws_of_groups_count_pairs_as_often_as_both_were_drawn(two_sets):
    embeddings, labels = blobs(80)
    others = blobs(40, seed=1) if two_sets else ()
    scores = evaluate_verification(embeddings, labels, *others, groups=5, seed=3)
    order = np.random.default_rng(3).permutation(80)
    embeddings, labels, groups = embeddings[order], labels[order], np.arange(80) * 5 // 80
    weights = np.array([[2.0, 0, 1, 3, 1], [1, 1, 1, 1, 1]])
    measured = simplug.distances.build("cosine")
    for weight, drawn in zip(weights, scores._of_draws(weights)["roc_auc"], strict=True):
        of_query = weight[groups]
        if two_sets:
            distances, same = measured.numpy(embeddings, others[0]).ravel(), (labels[:, None] == others[1]).ravel()
            times = np.repeat(of_query, 40)
        else:
            above = np.triu_indices(80, 1)
            distances, same = measured.numpy(embeddings, embeddings)[above], (labels[:, None] == labels)[above]
            times = np.outer(of_query, of_query)[above]
        near = distances[same][:, None] < distances[~same]
        expected = times[same] @ near @ times[~same] / (times[same].sum() * times[~same].sum())
        assert drawn == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_intervals_hold_the_value_of_other_samples_about_as_often_as_they_say():
    truth = np.mean([evaluate_verification(*blobs(600, seed=seed))["roc_auc"] for seed in range(100, 110)])
    held = 0
    for seed in range(30):
        low, high = evaluate_verification(*blobs(150, seed=seed)).intervals(resamples=200)["roc_auc"]
        held += low <= truth <= high
    assert held >= 24


def test_intervals_hold_the_score_and_are_the_same_again():
    scores = evaluate_verification(*blobs(120), *blobs(60, seed=2), metrics=METRICS)
    intervals = scores.intervals(resamples=100)
    assert intervals == scores.intervals(resamples=100)
    assert all(low <= scores[label] <= high for label, (low, high) in intervals.items())
    assert list(intervals) == list(scores)


def test_a_draw_without_a_positive_pair_is_left_out():
    embeddings = np.random.default_rng(0).normal(size=(6, 3))
    scores = evaluate_verification(embeddings, [0, 0, 1, 2, 3, 4], metrics=["roc_auc"])
    low, high = scores.intervals(resamples=200)["roc_auc"]
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"metrics": []}, "no metric is given"),
        ({"metrics": ["f1"]}, "F1() is no VerificationMetric"),
        ({"groups": 0}, "groups is 0; it is an integer from 1"),
        ({"groups": True}, "groups is True"),
        ({"groups": 2.0}, "groups is 2.0"),
        ({"labels": np.zeros(30, int)}, "there is no negative pair"),
        ({"labels": np.arange(30)}, "there is no positive pair"),
    ],
    ids=str,
)
def test_what_cannot_be_scored_is_refused(changes, text):
    embeddings, labels = blobs(30)
    with pytest.raises(InvalidInputError) as caught:
        evaluate_verification(**{"embeddings": embeddings, "labels": labels, **changes})
    assert text in str(caught.value)
