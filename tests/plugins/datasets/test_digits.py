from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

import simplug
from simplug.kernel.errors import ConfigError


def test_the_images_are_uint8_with_a_channel_and_use_the_whole_range():
    data = simplug.datasets.build("digits").load()
    train, test = data.splits["train"], data.splits["test"]
    assert len(train) + len(test) == 1797
    for split in (train, test):
        assert split.inputs.shape[1:] == (8, 8, 1)
        assert split.inputs.dtype == np.uint8
        assert split.labels.dtype == np.int64
    assert train.inputs.min() == 0
    assert train.inputs.max() == 255
    assert data.class_names == {digit: str(digit) for digit in range(10)}


def test_the_images_are_those_of_scikit_learn_in_their_order():
    bunch = load_digits()
    whole = simplug.datasets.build("digits", test_fraction=0).load().splits["train"]
    np.testing.assert_array_equal(whole.labels, bunch.target)
    np.testing.assert_array_equal(np.rint(whole.inputs[..., 0] * (16 / 255)), bunch.images)


def test_a_quarter_of_every_class_is_held_out_and_nothing_is_lost_or_doubled():
    data = simplug.datasets.build("digits").load()
    everything = np.bincount(load_digits().target)
    np.testing.assert_array_equal(
        np.bincount(data.splits["test"].labels), [round(0.25 * count) for count in everything.tolist()]
    )
    rows = np.concatenate([data.splits[name].inputs.reshape(-1, 64) for name in ("train", "test")])
    expected = np.rint(load_digits().data * (255 / 16)).astype(np.uint8)
    np.testing.assert_array_equal(np.sort(rows.view("V64").ravel()), np.sort(expected.view("V64").ravel()))


def test_loading_twice_gives_the_same_split():
    first, second = (simplug.datasets.build("digits", seed=5).load().splits["test"] for _ in range(2))
    np.testing.assert_array_equal(first.inputs, second.inputs)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ConfigError, match=r"dataset\.test_fraction: must be"):
        simplug.datasets.build("digits", test_fraction=share)
