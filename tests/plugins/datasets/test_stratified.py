from __future__ import annotations

import numpy as np
import pytest
from simplug_datasets.stratified import held_out, with_held_out

from simplug.api import DataError, Split


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


def test_no_share_makes_no_test_split():
    data = with_held_out(Split(np.zeros((4, 2)), np.arange(4)), test_fraction=0, seed=0, class_names={}, source="it")
    assert list(data.splits) == ["train"]
    assert len(data.splits["train"]) == 4


def test_a_test_split_that_would_be_empty_is_refused():
    with pytest.raises(DataError, match=r"^it: the test split is empty; .* none of the 4 classes has a second one"):
        with_held_out(Split(np.zeros((4, 2)), np.arange(4)), test_fraction=0.5, seed=0, class_names={}, source="it")
