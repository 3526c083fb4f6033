"""The reducers, on values that can be added by hand."""

import numpy as np
import pytest

import simplug
from simplug.api import Term

VALUES = np.array([0.0, 1.0, 3.0, 5.0])
WEIGHTS = np.array([1.0, 1.0, 2.0, 0.0])


def of_tensors(values, weights, **extra):
    """Return a term of tensors, as a loss makes it: not every backend calculates with arrays."""
    from keras import ops

    tensors = {name: ops.convert_to_tensor(array) for name, array in extra.items() if name != "by_class"}
    return Term(ops.convert_to_tensor(values), ops.convert_to_tensor(weights), **(extra | tensors))


@pytest.mark.parametrize(("name", "expected"), [("mean", 7 / 4), ("mean_nonzero", 7 / 3)])
def test_weights_count_as_that_many_losses(name, expected):
    assert float(simplug.reducers.build(name).reduce(of_tensors(VALUES, WEIGHTS))) == pytest.approx(expected)


@pytest.mark.parametrize(("name", "expected"), [("mean", 10 / 4), ("mean_nonzero", 10 / 3)])
def test_terms_are_reduced_apart_and_added(name, expected):
    terms = {"one": of_tensors(VALUES, WEIGHTS), "two": of_tensors(np.array([0.75]), np.array([1.0]))}
    extra = 0.75
    assert float(simplug.reducers.build(name)(terms)) == pytest.approx(
        expected - 3 / (4 if name == "mean" else 3) + extra
    )


def test_an_element_that_stands_for_many_losses_says_how_many_are_above_zero():
    term = of_tensors(np.array([0.5]), np.array([8.0]), active=np.array([2.0]))
    assert float(simplug.reducers.build("mean").reduce(term)) == pytest.approx(0.5)
    assert float(simplug.reducers.build("mean_nonzero").reduce(term)) == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["mean", "mean_nonzero"])
def test_nothing_to_reduce_is_zero(name):
    assert float(simplug.reducers.build(name).reduce(of_tensors(VALUES, np.zeros(4)))) == 0
