from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.api import DataError, InvalidInputError, Split

SHIFT = simplug.augmenters.build("image_basic", view_count=2)


def split_of(count):
    return Split(
        np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((4, 4, 1), np.uint8), np.zeros(count, int)
    )


def test_the_two_views_of_an_example_have_a_label_that_no_other_has():
    batches = simplug.samplers.build("single_shot", examples_per_batch=8).batches(
        split_of(24), steps=3, seed=0, augmenter=SHIFT
    )
    seen = []
    for step in range(3):
        inputs, labels = batches[step]
        assert len(inputs) == 16
        assert np.unique(labels, return_counts=True)[1].tolist() == [2] * 8
        seen += np.unique(labels).tolist()
    assert sorted(seen) == list(range(24))


def test_what_it_cannot_work_with_is_refused():
    sampler = simplug.samplers.build("single_shot", examples_per_batch=8)
    with pytest.raises(DataError, match="7 examples to train on, fewer than examples_per_batch = 8"):
        sampler.batches(split_of(7), steps=1, seed=0, augmenter=SHIFT)
    with pytest.raises(InvalidInputError, match="its own views, so an augmenter that makes two is needed"):
        sampler.batches(split_of(8), steps=1, seed=0)
