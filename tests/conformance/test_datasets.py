"""Every data set of simplug, through the conformance suite, on files that the tests write."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from simplug.testing import DatasetSuite


class TestDigits(DatasetSuite):
    name = "digits"


def write_animals(folder):
    rng = np.random.default_rng(0)
    for animal in ("ant", "bee", "cat"):
        (folder / animal).mkdir()
        for number in range(8):
            pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / animal / f"{number}.png")


class TestImageFolder(DatasetSuite):
    name = "image_folder"

    @pytest.fixture
    def config(self, tmp_path):
        write_animals(tmp_path)
        return {"path": str(tmp_path)}


class TestImageFolderInFiles(DatasetSuite):
    name = "image_folder"

    @pytest.fixture
    def config(self, tmp_path):
        write_animals(tmp_path)
        return {"path": str(tmp_path), "keep": "files", "size": [6, 5]}


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


class TestOmniglot(DatasetSuite):
    name = "omniglot"

    @pytest.fixture
    def config(self, tmp_path):
        rng = np.random.default_rng(0)
        for name, alphabet in (("one", "Greek"), ("two", "Korean")):
            with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
                for number in range(40):
                    stream = io.BytesIO()
                    Image.fromarray(rng.random((105, 105)) > 0.1).save(stream, format="PNG")
                    member = f"{name}/{alphabet}/character{number // 20 + 1:02}/0001_{number % 20 + 1:02}.png"
                    archive.writestr(member, stream.getvalue())
        return {"path": str(tmp_path), "train": ["one"], "test": ["two"]}
