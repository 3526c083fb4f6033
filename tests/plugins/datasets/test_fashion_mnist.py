from __future__ import annotations

import struct

import numpy as np
import pytest
from simplug_datasets.fashion_mnist import FashionMnist

from simplug.api import DataError


def test_idx_files_are_read_and_classes_have_the_names_of_clothes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)
    for kind, values in (("images-idx3", images), ("labels-idx1", np.arange(10, dtype=np.uint8))):
        header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
        (tmp_path / f"t10k-{kind}-ubyte").write_bytes(header + values.tobytes())
    data = FashionMnist(str(tmp_path), test_rows=4).load()
    np.testing.assert_array_equal(data.splits["test"].inputs, images[6:, ..., None])
    assert data.class_names[9] == "Ankle boot"
    assert len(data.class_names) == 10


def test_errors_name_the_data_set(tmp_path):
    with pytest.raises(DataError, match=r"dataset fashion_mnist: .* holds no IDX files"):
        FashionMnist(str(tmp_path)).load()
