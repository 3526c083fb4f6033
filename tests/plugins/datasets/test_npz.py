from __future__ import annotations

import numpy as np
import pytest
from simplug_datasets.npz import Npz

from simplug.api import DataError


def save(tmp_path, **arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return str(path)


def whole(**changes):
    arrays = {
        "x_train": np.arange(24, dtype=np.float32).reshape(8, 3),
        "y_train": np.arange(8) % 2,
        "x_test": np.ones((4, 3), np.float32),
        "y_test": np.array([0, 1, 2, 3]),
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def test_the_four_arrays_are_the_two_splits(tmp_path):
    data = Npz(save(tmp_path, **whole())).load()
    np.testing.assert_array_equal(data.splits["train"].inputs, whole()["x_train"])
    np.testing.assert_array_equal(data.splits["test"].labels, [0, 1, 2, 3])
    assert data.splits["train"].inputs.dtype == np.float32
    assert data.splits["train"].labels.dtype == np.int64


def test_arrays_may_have_other_names(tmp_path):
    path = save(tmp_path, a=np.ones((2, 3)), b=[0, 1], c=np.zeros((1, 3)), d=[5])
    data = Npz(path, x_train="a", y_train="b", x_test="c", y_test="d").load()
    assert data.splits["test"].labels.tolist() == [5]


def test_a_share_is_held_out_of_a_file_without_test_arrays(tmp_path):
    data = Npz(save(tmp_path, **whole(x_test=None, y_test=None))).load()
    assert np.bincount(data.splits["train"].labels).tolist() == [3, 3]
    assert np.bincount(data.splits["test"].labels).tolist() == [1, 1]
    rows = np.concatenate([data.splits["train"].inputs, data.splits["test"].inputs])
    np.testing.assert_array_equal(np.sort(rows[:, 0]), np.arange(0, 24, 3))


def test_a_share_of_0_makes_no_test_split(tmp_path):
    data = Npz(save(tmp_path, **whole(x_test=None, y_test=None)), test_fraction=0.0).load()
    assert list(data.splits) == ["train"]


def test_bytes_without_a_channel_axis_are_images_and_get_one(tmp_path):
    images = np.zeros((4, 5, 6), np.uint8)
    data = Npz(save(tmp_path, x_train=images, y_train=[0, 0, 1, 1])).load()
    assert data.splits["train"].inputs.shape == (2, 5, 6, 1)
    floats = Npz(save(tmp_path, x_train=images.astype(np.float32), y_train=[0, 0, 1, 1])).load()
    assert floats.splits["train"].inputs.shape == (2, 5, 6)


def test_labels_in_a_column_are_accepted(tmp_path):
    data = Npz(save(tmp_path, **whole(y_train=np.zeros((8, 1), np.uint8)))).load()
    assert data.splits["train"].labels.shape == (8,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"y_train": None},
            r"has no array 'y_train'\narrays in the file: x_train, x_test, y_test",
        ),
        ({"y_test": None}, "has no array 'y_test'"),
        ({"x_test": None}, "has no array 'x_test'"),
        ({"y_train": np.arange(7)}, "'x_train' has 8 examples, but 'y_train' has 7 labels"),
        ({"y_train": np.zeros(8)}, "'y_train' must hold whole numbers or texts as labels, not float64"),
        (
            {"y_train": np.array(list("abcdefgh"))},
            "'y_train' holds <U1, 'y_test' int64; both should hold whole numbers, or both texts",
        ),
        (
            {"y_train": np.array([-1, -3, 0, 0, 0, 0, 0, 0])},
            "'y_train' has 2 labels that are negative or above .*, such as -1; labels count from 0",
        ),
        ({"y_train": np.zeros((8, 2), int)}, r"'y_train' must have shape \(n,\) or \(n, 1\), not \(8, 2\)"),
        ({"x_train": np.array([[np.nan, 1.0], [np.inf, 2.0]])}, "'x_train' has 2 of 4 values that are NaN or infinite"),
        ({"x_train": np.zeros((8, 3), complex)}, "'x_train' must hold numbers, not complex128"),
        ({"x_train": np.zeros(8)}, r"'x_train' must have shape \(n, ...\), not \(8,\)"),
        ({"x_train": np.zeros((0, 3)), "y_train": np.zeros(0, int)}, r"'x_train' is empty; its shape is \(0, 3\)"),
        ({"x_test": np.zeros((0, 3)), "y_test": np.zeros(0, int)}, "'x_test' is empty"),
        (
            {"x_test": np.ones((4, 2), np.float32)},
            r"an example of 'x_train' is float32 of shape \(3,\), one of 'x_test' float32 of shape \(2,\)",
        ),
        ({"x_test": np.ones((4, 3), np.uint8)}, r"one of 'x_test' uint8 of shape \(3,\)"),
        ({"y_train": np.array([object()] * 8)}, "'y_train' holds Python objects, which are not loaded from files"),
    ],
)
def test_arrays_that_cannot_be_used_are_named_with_what_is_wrong(tmp_path, changes, message):
    path = save(tmp_path, **whole(**changes))
    with pytest.raises(DataError, match=message) as caught:
        Npz(path).load()
    assert "data.npz" in str(caught.value)


def test_test_arrays_of_chosen_names_must_be_there(tmp_path):
    path = save(tmp_path, **whole(x_test=None, y_test=None))
    with pytest.raises(DataError, match="has no array 'xtest'"):
        Npz(path, x_test="xtest", y_test="ytest").load()


def test_a_missing_file_a_text_a_single_array_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz is missing"):
        Npz(str(tmp_path / "none.npz")).load()
    (tmp_path / "text.npz").write_text("x_train, y_train")
    with pytest.raises(DataError, match=r"text\.npz is no \.npz file, or a damaged one"):
        Npz(str(tmp_path / "text.npz")).load()
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"one\.npy holds a single array; save inputs and labels with numpy\.savez"):
        Npz(str(tmp_path / "one.npy")).load()
    with pytest.raises(DataError, match="is a folder; it should be a file"):
        Npz(str(tmp_path)).load()


@pytest.mark.parametrize("compress", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_refused_or_read_as_it_was(tmp_path, compress):
    path = tmp_path / "data.npz"
    compress(path, **whole())
    intact = path.read_bytes()
    refused = 0
    for place in range(0, len(intact), 7):
        damaged = bytearray(intact)
        damaged[place] ^= 0xFF
        path.write_bytes(bytes(damaged))
        try:
            data = Npz(str(path), test_fraction=0.0).load()
        except DataError:
            refused += 1
        else:
            np.testing.assert_array_equal(data.splits["train"].inputs, whole()["x_train"])
            np.testing.assert_array_equal(data.splits["train"].labels, whole()["y_train"])
    assert refused > 20
    path.write_bytes(intact[: len(intact) // 2])
    with pytest.raises(DataError, match="a damaged one"):
        Npz(str(path)).load()


@pytest.mark.parametrize("dtype", ["U", "S"])
def test_texts_are_numbered_over_both_splits_and_kept_as_names(tmp_path, dtype):
    train, test = np.array(["cat", "ant", "cat"], dtype), np.array(["dog", "ant"], dtype)
    path = save(tmp_path, x_train=np.zeros((3, 2)), y_train=train, x_test=np.zeros((2, 2)), y_test=test)
    data = Npz(path).load()
    assert data.class_names == {0: "ant", 1: "cat", 2: "dog"}
    assert data.splits["train"].labels.tolist() == [1, 0, 1]
    assert data.splits["test"].labels.tolist() == [2, 0]


def test_labels_beyond_int64_are_refused_instead_of_turned_negative(tmp_path):
    path = save(tmp_path, x_train=np.zeros((2, 2)), y_train=np.array([2**63, 1], np.uint64))
    with pytest.raises(
        DataError, match=r"'y_train' has 1 labels that are negative or above .*, such as 9223372036854775808"
    ):
        Npz(path).load()


def test_an_array_by_the_same_name_in_other_letters_is_suggested(tmp_path):
    path = save(tmp_path, X_train=np.zeros((2, 2)), y_train=np.array([0, 1]))
    with pytest.raises(DataError, match=r"has no array 'x_train'; did you mean 'X_train'\?"):
        Npz(path).load()
