from __future__ import annotations

import numpy as np
import pytest
from simplug_datasets.cifar10 import Cifar10

from simplug.api import DataError


def write(folder, name, count, seed=0):
    """Write records of the binary version; return the images (n, 32, 32, 3) and labels."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, count, dtype=np.uint8)
    planes = images.transpose(0, 3, 1, 2).reshape(count, -1)
    (folder / name).write_bytes(np.column_stack([labels, planes]).tobytes())
    return images, labels


def test_the_files_of_the_binary_version_are_the_splits(tmp_path):
    parts = [write(tmp_path, f"data_batch_{number}.bin", 4, seed=number) for number in range(1, 6)]
    test_images, test_labels = write(tmp_path, "test_batch.bin", 3, seed=9)
    data = Cifar10(str(tmp_path)).load()
    np.testing.assert_array_equal(data.splits["train"].inputs, np.concatenate([images for images, _ in parts]))
    np.testing.assert_array_equal(data.splits["train"].labels, np.concatenate([labels for _, labels in parts]))
    np.testing.assert_array_equal(data.splits["test"].inputs, test_images)
    np.testing.assert_array_equal(data.splits["test"].labels, test_labels)
    assert data.class_names[3] == "cat"


def test_a_folder_may_lack_files(tmp_path):
    write(tmp_path, "data_batch_4.bin", 4)
    assert {name: len(split) for name, split in Cifar10(str(tmp_path)).load().splits.items()} == {"train": 4}


def test_a_missing_folder_and_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match="nowhere is missing"):
        Cifar10(str(tmp_path / "nowhere")).load()
    with pytest.raises(DataError, match=r"holds none of data_batch_1\.bin to data_batch_5\.bin; .* binary"):
        Cifar10(str(tmp_path)).load()


@pytest.mark.parametrize("length", [0, 1, 3072, 3074, 3 * 3073 - 1])
def test_a_file_of_another_length_is_refused(tmp_path, length):
    write(tmp_path, "data_batch_1.bin", 4)
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=rf"data_batch_1\.bin holds {length} bytes, which is no multiple of 3073"):
        Cifar10(str(tmp_path)).load()


def test_a_label_beyond_the_classes_is_refused(tmp_path):
    write(tmp_path, "test_batch.bin", 2)
    (tmp_path / "data_batch_1.bin").write_bytes(bytes([10]) * 3073)
    with pytest.raises(DataError, match=r"data_batch_1\.bin is damaged: it has a label 10"):
        Cifar10(str(tmp_path)).load()
