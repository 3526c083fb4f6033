"""What every data set's splits are held to, whoever made them."""

from __future__ import annotations

import numpy as np
import pytest

from simplug.api import Data, DataError, Split


def test_labels_become_int64_whatever_whole_numbers_they_are():
    for dtype in (np.uint8, np.int32, np.int64, np.uint64):
        assert Split(np.zeros((2, 3)), np.array([1, 2], dtype)).labels.dtype == np.int64
    assert Split(np.zeros((2, 3)), [1, 2]).labels.tolist() == [1, 2]


@pytest.mark.parametrize("labels", [[1.0, 2.0], [True, False], ["a", "b"]])
def test_labels_that_are_no_whole_numbers_are_refused_instead_of_converted(labels):
    with pytest.raises(DataError, match="labels are whole numbers, not"):
        Split(np.zeros((2, 3)), labels)


def test_labels_beyond_int64_are_refused_instead_of_turned_negative():
    with pytest.raises(DataError, match=r"labels are at most 2\*\*63 - 1, not 9223372036854775808"):
        Split(np.zeros((2, 3)), np.array([1, 2**63], np.uint64))


def test_labels_of_another_length_or_rank_are_refused():
    with pytest.raises(DataError, match=r"2 examples but labels of shape \(3,\)"):
        Split(np.zeros((2, 3)), [1, 2, 3])
    with pytest.raises(DataError, match=r"2 examples but labels of shape \(2, 1\)"):
        Split(np.zeros((2, 3)), [[1], [2]])


def test_rows_are_taken_by_position_or_by_mask():
    split = Split(np.arange(4), [5, 6, 7, 8])
    assert split[np.array([3, 0])].labels.tolist() == [8, 5]
    assert split[split.labels > 6].inputs.tolist() == [2, 3]


def test_a_data_set_without_a_training_split_or_with_an_empty_split_is_refused():
    some, none = Split(np.zeros((2, 3)), [0, 1]), Split(np.zeros((0, 3)), [])
    with pytest.raises(DataError, match="has a split named 'train'; this one has test"):
        Data({"test": some})
    with pytest.raises(DataError, match="the test split is empty"):
        Data({"train": some, "test": none})
