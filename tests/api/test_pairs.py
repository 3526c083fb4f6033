"""Pairs from labels, against the comparison of two labels at a time in plain Python."""

import numpy as np
import pytest

from simplug.api import Pairs
from simplug.testing.tensors import array, in_graph, in_xla


def equal(one, other):
    return float(one == other)


def shared(one, other):
    return float(any(a and b for a, b in zip(one, other, strict=True)))


def jaccard(one, other):
    both = sum(bool(a and b) for a, b in zip(one, other, strict=True))
    either = sum(bool(a or b) for a, b in zip(one, other, strict=True))
    return both / either if either else 0.0


def hierarchy(one, other):
    agreed = 0
    for a, b in zip(one, other, strict=True):
        if a != b:
            break
        agreed += 1
    return agreed / len(one)


ALIKE = {"equal": equal, "shared": shared, "jaccard": jaccard, "hierarchy": hierarchy}


def labels_for(comparison, count, seed):
    rng = np.random.default_rng(seed)
    if comparison == "equal":
        return rng.integers(-1, 3, size=count)
    if comparison == "hierarchy":
        return rng.integers(0, 3, size=(count, 3))
    rows = rng.integers(0, 2, size=(count, 4))
    # An example without any class is alike to nothing.
    rows[0] = 0
    return rows


def defined(comparison, labels, ref_labels):
    """Return both kinds of weights by the definition."""
    own = ref_labels is None
    columns = labels if own else ref_labels
    alike = ALIKE[comparison]
    positive, negative = np.zeros((2, len(labels), len(columns)))
    for i, one in enumerate(labels.tolist()):
        for j, other in enumerate(columns.tolist()):
            if not (own and i == j):
                positive[i, j] = alike(one, other)
                negative[i, j] = alike(one, other) == 0
    return positive, negative


@pytest.mark.parametrize("comparison", ALIKE)
def test_an_example_makes_no_pair_with_itself(comparison):
    labels = labels_for(comparison, 9, seed=0)
    pairs = Pairs.from_labels(labels, None, "float32", comparison)
    for weights, expected in zip((pairs.positive, pairs.negative), defined(comparison, labels, None), strict=True):
        assert array(weights).dtype == np.float32
        np.testing.assert_allclose(array(weights), expected, rtol=1e-6)


@pytest.mark.parametrize("comparison", ALIKE)
def test_every_reference_is_a_pair_of_one_kind(comparison):
    labels, ref_labels = labels_for(comparison, 5, seed=1), labels_for(comparison, 8, seed=2)
    pairs = Pairs.from_labels(labels, ref_labels, "float64", comparison)
    positive, negative = array(pairs.positive), array(pairs.negative)
    expected = defined(comparison, labels, ref_labels)
    np.testing.assert_allclose(positive, expected[0], rtol=1e-6)
    np.testing.assert_allclose(negative, expected[1], rtol=1e-6)
    assert ((positive > 0) != (negative > 0)).all()
    assert pairs.band is None


@pytest.mark.parametrize("comparison", ALIKE)
@pytest.mark.parametrize("mode", [in_graph, in_xla])
def test_a_traced_program_makes_the_same_pairs(comparison, mode):
    def pair(labels):
        pairs = Pairs.from_labels(labels, None, "float32", comparison)
        return pairs.positive, pairs.negative

    labels = labels_for(comparison, 7, seed=3)
    for weights, expected in zip(mode(pair, labels), defined(comparison, labels, None), strict=True):
        np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize("comparison", ["shared", "jaccard"])
def test_any_number_above_zero_is_a_class(comparison):
    rows = np.array([[1, 0, 2], [3, 0, 1], [0, 5, 0]])
    pairs = Pairs.from_labels(rows, None, "float32", comparison)
    np.testing.assert_allclose(array(pairs.positive), [[0, 1, 0], [1, 0, 0], [0, 0, 0]])


def test_large_labels_are_told_apart():
    labels = np.array([2**24, 2**24 + 1, 2**24])
    pairs = Pairs.from_labels(labels, None, "float32")
    np.testing.assert_allclose(array(pairs.positive), [[0, 0, 1], [0, 0, 0], [1, 0, 0]])
