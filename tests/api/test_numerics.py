"""Sums of exponentials and known gradients, against float64 NumPy and where the textbook form fails."""

import numpy as np
import pytest

from simplug.api.numerics import (
    LOG_OF_NOTHING,
    log1p_sum_exp,
    log_sum_exp,
    unit_rows_float32,
    unit_rows_numpy,
    with_gradient,
)
from simplug.testing.tensors import array, in_xla, value_and_gradient


def total(function, values):
    """Return the sum over the rows of a function, and its gradient."""
    from keras import ops

    return value_and_gradient(lambda rows: ops.sum(function(rows)), values)


def softmax(values, weights):
    parts = weights * np.exp(values)
    return parts / parts.sum(axis=1, keepdims=True)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 7)), rng.integers(0, 3, size=(5, 7)).astype(float)


def test_the_log_of_a_weighted_sum_of_exponentials_and_its_gradient(rows):
    values, weights = rows
    found = array(log_sum_exp(values, weights))
    np.testing.assert_allclose(found, np.log(np.sum(weights * np.exp(values), axis=1)), rtol=1e-12)
    _, slope = total(lambda moving: log_sum_exp(moving, weights), values)
    np.testing.assert_allclose(slope, softmax(values, weights), rtol=1e-12, atol=1e-15)


def test_without_weights_everything_counts_once(rows):
    values, _ = rows
    np.testing.assert_allclose(array(log_sum_exp(values)), np.log(np.sum(np.exp(values), axis=1)), rtol=1e-12)
    _, slope = total(log_sum_exp, values)
    np.testing.assert_allclose(slope, softmax(values, np.ones_like(values)), rtol=1e-12)


def test_one_more_than_a_sum_of_exponentials_and_its_gradient(rows):
    values, weights = rows
    sums = np.sum(weights * np.exp(values), axis=1)
    np.testing.assert_allclose(array(log1p_sum_exp(values, weights)), np.log1p(sums), rtol=1e-12)
    _, slope = total(lambda moving: log1p_sum_exp(moving, weights), values)
    np.testing.assert_allclose(slope, weights * np.exp(values) / (1 + sums[:, None]), rtol=1e-12, atol=1e-15)


def test_a_row_that_keeps_nothing_has_no_gradient():
    values, weights = np.array([[3.0, -2.0], [1.0, 2.0]]), np.array([[0.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(array(log_sum_exp(values, weights)), [LOG_OF_NOTHING, 2.0])
    np.testing.assert_allclose(array(log1p_sum_exp(values, weights)), [0.0, np.log1p(np.exp(2.0))])
    for function in (log_sum_exp, log1p_sum_exp):
        _, slope = total(lambda moving, of=function: of(moving, weights), values)
        assert not slope[0].any()
        assert np.isfinite(slope).all()


@pytest.mark.parametrize("outside", [-1e6, 1e6])
def test_a_value_outside_does_not_touch_the_kept_ones(outside):
    values = np.array([[outside, 2.0, 1.0]])
    weights = np.array([[0.0, 1.0, 1.0]])
    expected = np.log(np.exp(2.0) + np.exp(1.0))
    value, slope = total(lambda moving: log_sum_exp(moving, weights), values)
    assert value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(slope, [[0.0, *softmax(values[:, 1:], weights[:, 1:])[0]]], rtol=1e-9)


@pytest.mark.parametrize("size", [1e3, 1e6, 1e30])
def test_values_far_beyond_the_exponential_are_finite_in_single_precision(size):
    values = np.array([[size, -size, 0.0]], dtype=np.float32)
    for weights in (np.ones((1, 3), np.float32), np.array([[0, 1, 0]], np.float32), np.array([[0, 1, 1]], np.float32)):
        value, slope = total(lambda moving, by=weights: log_sum_exp(moving, by), values)
        assert value == pytest.approx(values[weights > 0].max(), rel=1e-6)
        assert np.isfinite(slope).all()
        assert slope.sum() == pytest.approx(1)


def test_a_small_sum_keeps_its_digits_beside_the_one():
    value, slope = total(
        lambda moving: log1p_sum_exp(moving, np.ones((1, 2), np.float32)), np.array([[-30.0, -31.0]], np.float32)
    )
    assert value == pytest.approx(np.exp(-30.0) + np.exp(-31.0), rel=1e-5)
    np.testing.assert_allclose(slope, np.exp([[-30.0, -31.0]]), rtol=1e-5)


def test_compiled_it_is_the_same(rows):
    values, weights = rows
    (compiled,) = in_xla(log_sum_exp, values, weights)
    np.testing.assert_allclose(compiled, array(log_sum_exp(values, weights)), rtol=1e-12)


def test_a_known_gradient_is_used_as_it_is():
    from keras import ops

    given = np.array([1.0, 2.0, 3.0])

    def function(at):
        held = ops.stop_gradient(at)
        return 5 * with_gradient(ops.sum(ops.square(held)), at, lambda upstream: upstream * 100 * held)

    value, slope = value_and_gradient(function, given)
    assert value == pytest.approx(5 * 14)
    np.testing.assert_allclose(slope, 500 * given)


def test_a_known_gradient_may_be_by_several_tensors():
    from keras import ops

    first, second = np.array([1.0, 2.0]), np.array([[3.0], [4.0]])

    def product(one, other):
        held = ops.stop_gradient(one), ops.stop_gradient(other)
        result = ops.sum(held[0] * held[1], axis=1)
        return ops.sum(
            result * with_gradient(result, (one, other), lambda upstream: (10 * upstream, 5 * upstream[:, None]))
        )

    expected = np.sum(first * second, axis=1)
    for function, at, slope in (
        (lambda moving: product(moving, ops.convert_to_tensor(second)), first, 10 * expected),
        (lambda moving: product(ops.convert_to_tensor(first), moving), second, 5 * expected[:, None]),
    ):
        value, found = value_and_gradient(function, at)
        assert value == pytest.approx(np.sum(expected**2))
        np.testing.assert_allclose(found, slope)


@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1.0, 1e20, 1e38])
def test_a_row_is_normalised_alike_alone_and_among_others(scale):
    rows = np.random.default_rng(0).normal(size=(300, 17)).astype(np.float32) / 5 * np.float32(scale)
    rows[7] = 0
    together = unit_rows_float32(rows)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, unit_rows_numpy(rows), rtol=2e-7, atol=1e-37)
    for place in range(300):
        np.testing.assert_array_equal(unit_rows_float32(rows[place : place + 1])[0], together[place])
