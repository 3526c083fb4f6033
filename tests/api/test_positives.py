"""The fold over positives, and values with a known slope."""

import numpy as np
import pytest
from keras import ops

from simplug.api.positives import OF_TRIPLETS, at_once, entries, fold_positives, placed, with_slope
from simplug.testing.tensors import array, in_graph, in_xla, value_and_gradient


def masks():
    rng = np.random.default_rng(0)
    yield "sparse", rng.uniform(size=(7, 70)) < 0.1
    yield "dense", rng.uniform(size=(5, 33)) < 0.9
    yield "all", np.ones((3, 64), bool)
    yield "none", np.zeros((4, 6), bool)
    yield "only the last", np.eye(1, 96, 95, dtype=bool)
    yield "one column", np.array([[True], [False]])
    yield "unequal rows", np.tri(40, 40, -1, dtype=bool)


def visits(positive, width):
    """Count how often the fold shows each entry."""

    def step(column, present, carry):
        (seen,) = carry
        for k in range(width):
            here = ops.one_hot(column[:, k], positive.shape[1], dtype=positive.dtype)
            seen = seen + here * ops.expand_dims(present[:, k], 1)
        return (seen,)

    return fold_positives(positive, step, (ops.zeros_like(positive),), width)[0]


@pytest.mark.parametrize("width", [1, 3, 4])
@pytest.mark.parametrize("positive", [mask for _, mask in masks()], ids=[name for name, _ in masks()])
def test_every_positive_is_seen_once(positive, width):
    np.testing.assert_array_equal(array(visits(ops.cast(positive, "float32"), width)), positive)


@pytest.mark.parametrize("run", [in_graph, in_xla])
def test_the_fold_is_the_same_traced_and_compiled(run):
    positive = (np.random.default_rng(1).uniform(size=(9, 40)) < 0.3).astype("float64")
    np.testing.assert_array_equal(run(lambda positive: visits(positive, 4), positive)[0], positive)


def test_the_positives_of_an_anchor_come_in_order():
    positive = ops.convert_to_tensor([[0.0, 1.0, 0.0, 2.0, 0.5], [0.0, 0.0, 3.0, 0.0, 0.0]])

    def step(column, present, carry):
        return (carry[0] * 10 + ops.cast(column + 1, "float32") * present,)

    (digits,) = fold_positives(positive, step, (ops.zeros((2, 1)),))
    # An anchor that has run out of positives sees nothing more.
    assert array(digits)[:, 0].tolist() == [245.0, 300.0]


def test_columns_without_a_positive_are_valid():
    positive = np.zeros((3, 50), "float32")
    positive[0, :7] = 1

    def step(column, present, carry):
        inside = ops.all((column >= 0) & (column < 50))
        return (carry[0] & inside,)

    (valid,) = fold_positives(ops.convert_to_tensor(positive), step, (ops.convert_to_tensor(True),), 4)
    assert array(valid)


def test_no_gradient_passes_through_the_fold():
    def through(rows):
        return ops.sum(fold_positives(rows, lambda column, present, carry: carry, (rows * 2,))[0])

    value, slope = value_and_gradient(through, np.ones((2, 3)))
    assert value == 12
    assert not slope.any()


def test_entries_are_those_of_each_row():
    matrix = np.arange(12.0).reshape(3, 4)
    columns = np.array([[0, 3], [1, 1], [2, 0]], "int32")
    np.testing.assert_array_equal(array(entries(matrix, columns)), np.take_along_axis(matrix, columns, axis=1))


def test_what_is_placed_is_where_its_entries_were_and_adds_up():
    columns, values = np.array([[0, 3], [1, 1]], "int32"), np.array([[1.0, 2.0], [4.0, 8.0]])
    np.testing.assert_array_equal(array(placed(values, columns, 4)), [[1, 0, 0, 2], [0, 12, 0, 0]])


def test_fewer_positives_are_looked_at_together_in_a_larger_batch():
    batches = [np.empty((size, size), bool) for size in (64, 1024, 2048, 4096)]
    assert [at_once(batch) for batch in batches] == [8, 4, 1, 1]
    assert [at_once(batch, OF_TRIPLETS) for batch in batches] == [4, 4, 4, 1]


def test_a_batch_of_unknown_size_is_taken_for_a_large_one():
    from keras import KerasTensor

    unknown = KerasTensor((None, 64))
    assert (at_once(unknown), at_once(unknown, OF_TRIPLETS)) == (1, 4)


def test_a_known_slope_is_the_gradient_and_leaves_the_value():
    rng = np.random.default_rng(2)
    slope, above = rng.normal(size=(3, 5)), rng.normal(size=3)

    def weighed(distances):
        return ops.sum(above * with_slope(ops.sum(distances**3, axis=1), slope, distances))

    distances = rng.normal(size=(3, 5))
    value, gradient = value_and_gradient(weighed, distances)
    assert value == pytest.approx(np.sum(above * np.sum(distances**3, axis=1)))
    np.testing.assert_allclose(gradient, above[:, None] * slope)
