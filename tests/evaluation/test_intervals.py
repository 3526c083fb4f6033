"""Bootstrap intervals."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from simplug.evaluation.intervals import Sample, bootstrap
from simplug.kernel.errors import InvalidInputError


def mean_of(values):
    return Sample(len(values), lambda weights: {"mean": weights @ values / len(values)})


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(size=2000)
    low, high = bootstrap(mean_of(values), resamples=4000)["mean"]
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_a_higher_level_is_a_wider_interval():
    sample = mean_of(np.arange(30.0))
    (low, high), (lower, higher) = (bootstrap(sample, level=level)["mean"] for level in (0.8, 0.99))
    assert lower < low < high < higher


def test_each_draw_has_as_many_units_as_there_are():
    seen = []

    def scores(weights):
        seen.append(weights)
        return {"units": weights.sum(axis=1)}

    assert bootstrap(Sample(9, scores), resamples=7) == {"units": (9.0, 9.0)}
    assert seen[0].shape == (7, 9)
    assert seen[0].dtype == np.float64


def test_the_only_unit_gives_an_interval_without_width():
    assert bootstrap(mean_of(np.array([0.25])))["mean"] == (0.25, 0.25)


def test_draws_that_cannot_be_scored_are_left_out():
    def scores(weights):
        return {"some": np.where(weights[:, 0] > 0, 2.0, np.nan), "none": np.full(len(weights), np.nan)}

    found = bootstrap(Sample(3, scores), resamples=50)
    assert found["some"] == (2.0, 2.0)
    assert all(math.isnan(end) for end in found["none"])


def test_many_draws_of_many_units_take_bounded_memory():
    values = np.random.default_rng(0).random(50_000)
    tracemalloc.start()
    bootstrap(mean_of(values), resamples=400)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"level": 95}, "level is 95; it is a share between 0 and 1"),
        ({"level": math.nan}, "level is nan"),
        ({"resamples": 0}, "resamples is 0; it is an integer from 1"),
        ({"resamples": 10.5}, "resamples is 10.5"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, text):
    with pytest.raises(InvalidInputError) as caught:
        bootstrap(mean_of(np.arange(3.0)), **arguments)
    assert text in str(caught.value)


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(InvalidInputError, match="there is nothing to draw from"):
        bootstrap(mean_of(np.empty(0)))
