"""Holding out the same share of every class."""

from __future__ import annotations

import numpy as np

from simplug.api.holding_out import held_out, rows_by_class


def test_each_class_gives_the_same_share():
    labels = np.repeat([0, 1, 2], [100, 40, 8])
    mask = held_out(labels, 0.25, seed=3)
    assert np.bincount(labels[mask]).tolist() == [25, 10, 2]


def test_the_same_seed_holds_out_the_same_rows_and_another_seed_others():
    labels = np.repeat(np.arange(5), 50)
    np.testing.assert_array_equal(held_out(labels, 0.3, seed=1), held_out(labels, 0.3, seed=1))
    assert not np.array_equal(held_out(labels, 0.3, seed=1), held_out(labels, 0.3, seed=2))


def test_a_class_of_two_has_one_example_on_either_side_whatever_the_share():
    labels = np.array([0, 0, 1, 1])
    for fraction in (0.01, 0.99):
        assert np.bincount(labels[held_out(labels, fraction, seed=0)]).tolist() == [1, 1]


def test_a_single_example_is_kept_for_training():
    labels = np.array([0, 0, 0, 0, 1])
    assert not held_out(labels, 0.9, seed=0)[4]


def test_the_rows_of_a_class_are_those_that_have_its_label():
    labels = np.random.default_rng(4).integers(-3, 9, 200) * 5
    rows = rows_by_class(labels)
    assert len(rows) == len(np.unique(labels))
    for found, label in zip(rows, np.unique(labels), strict=True):
        np.testing.assert_array_equal(found, np.flatnonzero(labels == label))
    assert rows_by_class(labels[:0]) == []
