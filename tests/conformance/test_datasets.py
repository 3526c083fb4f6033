"""Every data set of simplug, through the conformance suite, on files that the tests write."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from simplug.testing import DatasetSuite


class TestDigits(DatasetSuite):
    name = "digits"


class TestImageFolder(DatasetSuite):
    name = "image_folder"

    @pytest.fixture
    def config(self, tmp_path):
        rng = np.random.default_rng(0)
        for animal in ("ant", "bee", "cat"):
            (tmp_path / animal).mkdir()
            for number in range(8):
                Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(
                    tmp_path / animal / f"{number}.png"
                )
        return {"path": str(tmp_path)}


class TestImageFolderInFiles(TestImageFolder):
    @pytest.fixture
    def config(self, config):
        return {**config, "keep": "files", "size": [6, 5]}


class TestMnist(DatasetSuite):
    name = "mnist"

    @pytest.fixture
    def config(self, tmp_path):
        rng = np.random.default_rng(0)
        for prefix, count in (("train", 60), ("t10k", 20)):
            images, labels = (
                rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
                np.arange(count, dtype=np.uint8) % 10,
            )
            for kind, values in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
                header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
                (tmp_path / f"{prefix}-{kind}").write_bytes(header + values.tobytes())
        return {"path": str(tmp_path)}


class TestNpz(DatasetSuite):
    name = "npz"

    @pytest.fixture
    def config(self, tmp_path):
        rng = np.random.default_rng(0)
        file = tmp_path / "data.npz"
        np.savez(file, x_train=rng.normal(size=(60, 5)), y_train=np.arange(60) % 6)
        return {"path": str(file)}
