"""Data sets whose test split is held out of their examples."""

from __future__ import annotations

import numpy as np
import pytest
from simplug_datasets.stratified import with_held_out

from simplug.api import DataError, Split


def test_no_share_makes_no_test_split():
    data = with_held_out(Split(np.zeros((4, 2)), np.arange(4)), test_fraction=0, seed=0, class_names={}, source="it")
    assert list(data.splits) == ["train"]
    assert len(data.splits["train"]) == 4


def test_a_test_split_that_would_be_empty_is_refused():
    with pytest.raises(DataError, match=r"^it: the test split is empty; .* none of the 4 classes has a second one"):
        with_held_out(Split(np.zeros((4, 2)), np.arange(4)), test_fraction=0.5, seed=0, class_names={}, source="it")
