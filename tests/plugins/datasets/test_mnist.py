from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from simplug_datasets.idx import read_idx
from simplug_datasets.mnist import Mnist

from simplug.api import DataError

REAL = Path(__file__).parents[4] / "shared" / "data" / "mnist"


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_pair(folder, prefix, count, seed=0, pack=bytes, ending="", separator="-", labels=None):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    classes = rng.integers(0, 10, count if labels is None else labels, dtype=np.uint8)
    (folder / f"{prefix}-images{separator}idx3-ubyte{ending}").write_bytes(pack(idx(images)))
    (folder / f"{prefix}-labels{separator}idx1-ubyte{ending}").write_bytes(pack(idx(classes)))
    return images, classes


@pytest.mark.parametrize(
    ("pack", "ending", "separator"),
    [(bytes, "", "-"), (gzip.compress, ".gz", "-"), (bytes, "", "."), (gzip.compress, "", "-"), (bytes, ".gz", "-")],
)
def test_both_pairs_are_read_packed_or_not_under_each_usual_name(tmp_path, pack, ending, separator):
    form = {"pack": pack, "ending": ending, "separator": separator}
    train_images, train_labels = write_pair(tmp_path, "train", 7, seed=1, **form)
    test_images, test_labels = write_pair(tmp_path, "t10k", 3, seed=2, **form)
    data = Mnist(path=str(tmp_path)).load()
    np.testing.assert_array_equal(data.splits["train"].inputs, train_images[..., None])
    np.testing.assert_array_equal(data.splits["train"].labels, train_labels)
    np.testing.assert_array_equal(data.splits["test"].inputs, test_images[..., None])
    np.testing.assert_array_equal(data.splits["test"].labels, test_labels)


@pytest.mark.parametrize("prefix", ["train", "t10k"])
def test_a_folder_with_one_pair_is_cut_at_its_last_rows(tmp_path, prefix):
    images, labels = write_pair(tmp_path, prefix, 10)
    data = Mnist(path=str(tmp_path), test_rows=4).load()
    np.testing.assert_array_equal(data.splits["train"].inputs, images[:6, ..., None])
    np.testing.assert_array_equal(data.splits["test"].labels, labels[6:])


def test_a_folder_with_one_pair_needs_to_know_where_to_cut(tmp_path):
    write_pair(tmp_path, "t10k", 10)
    with pytest.raises(DataError, match="holds the t10k files only; set test_rows to the number of its 10 rows"):
        Mnist(path=str(tmp_path)).load()


def test_a_cut_that_leaves_nothing_to_train_on_is_refused(tmp_path):
    write_pair(tmp_path, "t10k", 10)
    with pytest.raises(DataError, match=r"test_rows = 10 leaves no row to train on; .* has 10"):
        Mnist(path=str(tmp_path), test_rows=10).load()


def test_a_cut_of_a_folder_that_has_a_test_split_is_refused(tmp_path):
    write_pair(tmp_path, "train", 5)
    write_pair(tmp_path, "t10k", 5)
    with pytest.raises(DataError, match="holds a test split already; leave test_rows = 2 out"):
        Mnist(path=str(tmp_path), test_rows=2).load()


def test_a_cut_without_a_folder_is_refused():
    with pytest.raises(ValueError, match="without a path there is a test split already"):
        Mnist(test_rows=5)


def test_labels_of_another_length_are_refused_with_both_files_and_counts(tmp_path):
    write_pair(tmp_path, "train", 5, labels=4)
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte holds 5 images, but .*labels-idx1-ubyte holds 4 labels"
    ):
        Mnist(path=str(tmp_path), test_rows=1).load()


def test_images_without_labels_name_the_missing_file(tmp_path):
    write_pair(tmp_path, "train", 5)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\[\.gz\] is missing beside it"):
        Mnist(path=str(tmp_path)).load()


def test_a_folder_that_is_missing_or_holds_nothing_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere is missing"):
        Mnist(path=str(tmp_path / "nowhere")).load()
    with pytest.raises(DataError, match="holds no IDX files; it should hold train-images-idx3-ubyte"):
        Mnist(path=str(tmp_path)).load()


def test_no_images_at_all_are_refused(tmp_path):
    write_pair(tmp_path, "train", 0)
    with pytest.raises(DataError, match="holds no image"):
        Mnist(path=str(tmp_path), test_rows=1).load()


@pytest.mark.parametrize("keep", [1, 5, 12, 40, -1])
def test_a_truncated_gzip_file_is_named(tmp_path, keep):
    packed = gzip.compress(idx(np.arange(600, dtype=np.uint8).reshape(6, 10, 10)))
    path = tmp_path / "images.gz"
    path.write_bytes(packed[:keep])
    with pytest.raises(DataError, match=r"images\.gz is (a truncated or damaged gzip|no IDX)"):
        read_idx(path, ndim=3)


def test_no_flipped_byte_of_a_gzip_file_passes_unseen(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    packed = gzip.compress(idx(array), mtime=0)
    path = tmp_path / "images.gz"
    for place in range(len(packed)):
        damaged = bytearray(packed)
        damaged[place] ^= 0xFF
        path.write_bytes(bytes(damaged))
        try:
            read = read_idx(path, ndim=3)
        except DataError as error:
            assert "images.gz" in str(error)  # noqa: PT017 - most places are an error, the rest must not matter
        else:
            np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing"),
        (b"\x00\x00\x08", "begins with 00 00 08"),
        (b"\x00\x00\x08\x03\x00\x00", "ends after 6 bytes, inside its header of 16"),
        (b"\x00\x00\x0d\x03" + bytes(12), "begins with 00 00 0d 03, not with 00 00 08 03"),
        (idx(np.zeros(5, np.uint8)), "begins with 00 00 08 01"),
        (idx(np.zeros((2, 3, 4), np.uint8))[:-1], "announces 2 x 3 x 4 = 24 bytes and holds 23"),
        (idx(np.zeros((2, 3, 4), np.uint8)) + b"x", "announces 2 x 3 x 4 = 24 bytes and holds 25"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "announces 4294967295 x 4294967295 x 4294967295"),
    ],
)
def test_a_file_that_is_not_what_its_header_says_is_refused(tmp_path, content, message):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(path, ndim=3)


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(DataError, match=r"missing cannot be read: No such file"):
        read_idx(tmp_path / "missing", ndim=3)


@pytest.mark.skipif(not REAL.is_dir(), reason="the MNIST files are not beside the repository, in ../shared/data/mnist")
def test_the_real_test_files_are_cut_at_8000():
    data = Mnist(path=str(REAL), test_rows=2000).load()
    train, test = data.splits["train"], data.splits["test"]
    assert train.inputs.shape == (8000, 28, 28, 1)
    assert test.inputs.shape == (2000, 28, 28, 1)
    assert train.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(np.concatenate([train.labels, test.labels])).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
