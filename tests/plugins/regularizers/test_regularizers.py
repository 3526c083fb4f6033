"""The regularizers, against PyTorch Metric Learning and float64 NumPy definitions, and at their edges."""

import numpy as np
import pytest

import simplug
from simplug.api import InvalidInputError
from simplug.testing.tensors import array, in_graph, value_and_gradient

VECTORS = np.array([[1.0, 2.0, -2.0], [0.5, 0.0, 1.0], [-1.0, 3.0, 0.25], [2.0, -1.0, 0.5]])

# PyTorch Metric Learning 2.9.0 on VECTORS in float64: configuration here, value, gradient. Where an entry or a sum of
# VECTORS is 0, the gradient of its absolute value is 0 there and here.
PEER = {
    "lp": (
        {"name": "lp"},
        2.3953665553350487,
        [
            [0.0833333333, 0.1666666667, -0.1666666667],
            [0.1118033989, 0.0, 0.2236067977],
            [-0.0788110406, 0.2364331219, 0.0197027602],
            [0.2182178902, -0.1091089451, 0.0545544726],
        ],
    ),
    "lp, p 3, power 2": (
        {"name": "lp", "p": 3.0, "power": 2.0},
        5.321049468771589,
        [
            [0.1944555594, 0.7778222375, -0.7778222375],
            [0.1201874642, 0.0, 0.4807498568],
            [-0.164627822, 1.4816503977, 0.0102892389],
            [0.9570891024, -0.2392722756, 0.0598180689],
        ],
    ),
    "lp, p 1": (
        {"name": "lp", "p": 1.0},
        3.5625,
        [[0.25, 0.25, -0.25], [0.25, 0.0, 0.25], [-0.25, 0.25, 0.25], [0.25, -0.25, 0.25]],
    ),
    "zero_mean": ({"name": "zero_mean"}, 1.5625, [[0.25] * 3] * 4),
    "center_invariant": (
        {"name": "center_invariant"},
        3.00115966796875,
        [
            [0.65234375, 1.3046875, -1.3046875],
            [-0.642578125, 0.0, -1.28515625],
            [-0.91796875, 2.75390625, 0.2294921875],
            [-0.5703125, 0.28515625, -0.142578125],
        ],
    ),
    "regular_face": (
        {"name": "regular_face"},
        0.5292031437562901,
        [
            [-0.0788110406, 0.1050813875, 0.0656758672],
            [0.2732520204, -0.1951800146, -0.1366260102],
            [0.0760371531, 0.0345920095, -0.1109555023],
            [-0.0139414296, 0.0557657185, 0.1672971554],
        ],
    ),
    "sparse_centers": (
        {"name": "sparse_centers", "num_classes": 2, "centers_per_class": 2},
        0.8823157188269238,
        [
            [-0.029207284, -0.014603642, -0.029207284],
            [-0.0700974816, -0.087621852, 0.0350487408],
            [-0.0285170353, -0.008531736, -0.0116873096],
            [-0.0161284872, -0.0389771774, -0.013440406],
        ],
    ),
}


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def regular_face(vectors):
    nearest = [
        max(one @ other for j, other in enumerate(units(vectors)) if j != i) for i, one in enumerate(units(vectors))
    ]
    return np.mean(nearest)


def sparse_centers(vectors, classes, centers):
    total = 0.0
    for group in units(vectors).reshape(classes, centers, -1):
        total += sum(np.linalg.norm(group[t] - group[s]) for t in range(centers) for s in range(t + 1, centers))
    return total / (classes * centers * (centers - 1))


DEFINITIONS = {
    "lp": ({"name": "lp"}, lambda x: np.mean(np.linalg.norm(x, axis=1))),
    "lp, p 0.5": ({"name": "lp", "p": 0.5}, lambda x: np.mean(np.sum(np.abs(x) ** 0.5, axis=1) ** 2)),
    "lp, p 2, power 2": ({"name": "lp", "power": 2.0}, lambda x: np.mean(np.sum(x**2, axis=1))),
    "lp, p 4": ({"name": "lp", "p": 4.0}, lambda x: np.mean(np.linalg.norm(x, ord=4, axis=1))),
    "zero_mean": ({"name": "zero_mean"}, lambda x: np.mean(np.abs(x.sum(axis=1)))),
    "center_invariant": ({"name": "center_invariant"}, lambda x: np.var(np.sum(x**2, axis=1)) / 4),
    "regular_face": ({"name": "regular_face"}, regular_face),
    "sparse_centers": (
        {"name": "sparse_centers", "num_classes": 4, "centers_per_class": 3},
        lambda x: sparse_centers(x, 4, 3),
    ),
}


@pytest.mark.parametrize("case", PEER)
def test_value_and_gradient_are_those_of_pytorch_metric_learning(case):
    config, value, gradient = PEER[case]
    found, slope = value_and_gradient(simplug.regularizers.build(config), VECTORS)
    # Its sparse centers add a small number under the root.
    np.testing.assert_allclose(found, value, rtol=1e-6)
    np.testing.assert_allclose(slope, gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", DEFINITIONS)
def test_value_is_that_of_the_definition(case):
    config, definition = DEFINITIONS[case]
    regularizer = simplug.regularizers.build(config)
    vectors = 3 * np.random.default_rng(3).normal(size=(12, 7))
    np.testing.assert_allclose(array(regularizer(vectors)), definition(vectors), rtol=1e-6)
    (value,) = in_graph(regularizer, vectors.astype("float32"))
    np.testing.assert_allclose(value, definition(vectors), rtol=1e-5)


def test_a_norm_neither_overflows_nor_vanishes():
    regularizer = simplug.regularizers.build("lp", p=30.0)
    for scale in (1e-10, 1e10):
        value, slope = value_and_gradient(regularizer, np.full((2, 4), scale, "float32"))
        np.testing.assert_allclose(value, scale * 4 ** (1 / 30), rtol=1e-5)
        np.testing.assert_allclose(slope, 4 ** (1 / 30) / 8, rtol=1e-5)


def test_a_zero_vector_has_a_norm_without_gradient():
    for p in (0.5, 1.0, 2.0, 3.0):
        value, slope = value_and_gradient(simplug.regularizers.build("lp", p=p), np.zeros((2, 3)))
        assert value == 0
        assert not np.any(slope)


def test_vectors_of_one_length_have_no_center_penalty():
    value, slope = value_and_gradient(simplug.regularizers.build("center_invariant"), units(VECTORS))
    assert value == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_a_single_vector_has_no_neighbour():
    value, slope = value_and_gradient(simplug.regularizers.build("regular_face"), VECTORS[:1])
    assert value == 0
    assert not np.any(slope)


def test_centers_that_became_one_cost_nothing():
    regularizer = simplug.regularizers.build("sparse_centers", num_classes=2, centers_per_class=3)
    vectors = np.repeat(np.random.default_rng(4).normal(size=(2, 64)), 3, axis=0).astype("float32")
    value, slope = value_and_gradient(regularizer, vectors)
    assert value == 0
    assert not np.any(slope)


def test_another_number_of_centers_is_refused():
    regularizer = simplug.regularizers.build("sparse_centers", num_classes=2, centers_per_class=3)
    with pytest.raises(InvalidInputError, match="expects 2 classes of 3 centers, 6 vectors, not 5"):
        regularizer(np.zeros((5, 4)))
