"""Scores of telling unknown queries, from arrays."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from simplug.evaluation import evaluate_open_set
from simplug.kernel.errors import InvalidInputError

KNOWN = np.array([True] * 6 + [False] * 4)
RIGHT = np.array([True] * 5 + [False] * 5)
DISTANCES = np.array([0.1, 0.2, 0.3, 0.4, np.inf, 0.9, 0.35, 0.8, 0.9, np.inf])
RIGHT[4] = False


def test_every_metric_is_scored_under_its_label():
    scores = evaluate_open_set(
        DISTANCES, KNOWN, RIGHT, ["unknown_auroc", {"name": "detection_at_false_alarm", "rate": 0.4}]
    )
    assert scores["unknown_auroc"] == pytest.approx(roc_auc_score(~KNOWN, np.minimum(DISTANCES, 9)))
    assert scores["detection@false_alarm(rate=0.4)"] == 0.75


def test_intervals_draw_queries():
    rng = np.random.default_rng(0)
    known = rng.random(300) < 0.5
    distances = rng.normal(size=300) + ~known
    scores = evaluate_open_set(distances, known, known)
    intervals = scores.intervals(resamples=200)
    assert list(intervals) == ["unknown_auroc", "detection@false_alarm", "identification@false_alarm"]
    low, high = intervals["unknown_auroc"]
    # Hanley and McNeil's standard error of an area of 0.76 from 150 and 150 is about 0.027.
    assert low < scores["unknown_auroc"] < high
    assert 0.08 < high - low < 0.14


def test_draws_without_known_or_unknown_queries_are_left_out():
    scores = evaluate_open_set([0.1, 0.9], [True, False], [True, False], ["unknown_auroc"])
    assert scores.intervals(resamples=50) == {"unknown_auroc": (1.0, 1.0)}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"distances": np.full(10, np.nan)}, "distances hold nan at position 0 (10 such values)"),
        ({"distances": np.full(10, -np.inf)}, "distances hold -inf"),
        ({"distances": np.zeros((10, 1))}, "distances have shape (10, 1)"),
        ({"known": np.ones(10, bool)}, "none of the 10 queries is unknown"),
        ({"known": np.zeros(10, bool), "right": np.zeros(10, bool)}, "none of the 10 queries is known"),
        ({"known": KNOWN.astype(int)}, "known have shape (10,) and dtype int64"),
        ({"known": KNOWN[:9]}, "the lengths differ: distances 10, known 9, right 10"),
        ({"right": ~KNOWN}, "right[6] is true, but the query is of a class that the gallery does not hold"),
        ({"right": KNOWN}, "right[4] is true, but the query has no match (1 such queries)"),
        ({"metrics": ["roc_auc"]}, "RocAuc() is no OpenSetMetric"),
        ({"metrics": []}, "no metric is given"),
    ],
    ids=str,
)
def test_what_cannot_be_scored_is_refused(changes, text):
    with pytest.raises(InvalidInputError) as caught:
        evaluate_open_set(**{"distances": DISTANCES, "known": KNOWN, "right": RIGHT, **changes})
    assert text in str(caught.value)


def test_no_query_is_refused():
    nothing = np.zeros(0, bool)
    with pytest.raises(InvalidInputError, match="none of the 0 queries is known"):
        evaluate_open_set(np.zeros(0), nothing, nothing)
