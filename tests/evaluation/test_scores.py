"""Scores that keep what they were made of."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from simplug.evaluation.scores import RetrievalScores, Scores
from simplug.kernel.errors import InvalidInputError

VALUES = {"recall@1": np.array([1.0, 0.0, 1.0, 1.0]), "map@r": np.array([0.5, 0.25, 1.0, 0.75])}
CLASSES = np.array([7, 7, 7, -3])
SCORED = np.array([True, True, False, True, True, False])


def scores(average="micro"):
    return RetrievalScores(VALUES, CLASSES, SCORED, average)


def test_scores_are_a_plain_dict_and_can_be_copied():
    made = scores()
    assert isinstance(made, dict)
    assert made == {"recall@1": 0.75, "map@r": 0.625}
    assert all(type(value) is float for value in made.values())
    assert copy.deepcopy(made).intervals() == made.intervals()


def test_they_say_how_many_queries_were_scored_and_left_out():
    assert (scores().queries, scores().left_out) == (4, 2)


def test_each_class_has_its_own_mean():
    per_class = scores().per_class()
    assert list(per_class) == [-3, 7]
    assert per_class[-3] == {"recall@1": 1.0, "map@r": 0.75}
    assert per_class[7] == pytest.approx({"recall@1": 2 / 3, "map@r": 1.75 / 3})


def test_both_averages_come_of_one_evaluation():
    macro = scores().averaged("macro")
    assert macro == pytest.approx({"recall@1": (1 + 2 / 3) / 2, "map@r": (0.75 + 1.75 / 3) / 2})
    assert macro.averaged("micro") == scores()
    with pytest.raises(InvalidInputError, match="average is 'weighted'; it is one of micro, macro"):
        scores().averaged("weighted")


def test_some_queries_can_be_looked_at_apart():
    some = scores().of(np.array([True, False, True, False, True, False]))
    assert some == {"recall@1": 1.0, "map@r": 0.625}
    assert (some.queries, some.left_out) == (2, 1)
    assert some.classes.tolist() == [7, -3]
    assert scores("macro").of(np.ones(6, dtype=bool)) == scores("macro")


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (np.ones(4, dtype=bool), "they are 6 booleans"),
        (np.ones(6), "dtype float64"),
        (~SCORED, "none of these 2 queries has a record with its label"),
        (np.zeros(6, dtype=bool), "none of these 0 queries"),
    ],
)
def test_queries_that_do_not_fit_are_refused(mask, text):
    with pytest.raises(InvalidInputError) as caught:
        scores().of(mask)
    assert text in str(caught.value)


def test_scores_without_what_they_were_made_of_have_no_intervals():
    assert Scores({"roc_auc": 0.5}) == {"roc_auc": 0.5}
    with pytest.raises(InvalidInputError, match="the scores roc_auc do not keep what they were made of"):
        Scores({"roc_auc": 0.5}).intervals()


def test_intervals_hold_the_score_and_are_the_same_again():
    for average in ("micro", "macro"):
        made = scores(average)
        intervals = made.intervals(seed=3)
        assert intervals == made.intervals(seed=3)
        assert list(intervals) == list(made)
        assert all(0 <= low <= made[label] <= high <= 1 for label, (low, high) in intervals.items())


def test_intervals_equal_a_loop_over_draws_of_queries():
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 5, 60)
    values = {"map@r": rng.random(60)}
    for average in ("micro", "macro"):
        made = RetrievalScores(values, classes, np.ones(60, dtype=bool), average)
        draws = [rng.integers(60, size=60) for _ in range(4000)]
        again = [
            RetrievalScores({"map@r": values["map@r"][draw]}, classes[draw], np.ones(60, dtype=bool), average)["map@r"]
            for draw in draws
        ]
        low, high = made.intervals(level=0.9, resamples=4000)["map@r"]
        assert low == pytest.approx(np.quantile(again, 0.05), abs=0.006)
        assert high == pytest.approx(np.quantile(again, 0.95), abs=0.006)
