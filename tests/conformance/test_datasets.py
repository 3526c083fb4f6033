"""Every data set of simplug, through the conformance suite, on files that the tests write."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from simplug_datasets.crc32c import masked_crc32c

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
        return {"path": str(tmp_path), "keep": "files"}


class TestCsv(DatasetSuite):
    name = "csv"

    @pytest.fixture
    def config(self, tmp_path):
        write_animals(tmp_path)
        rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(tmp_path.glob("*/*.png"))]
        (tmp_path / "table.csv").write_text("\n".join(["path,label", *rows]))
        return {"path": str(tmp_path / "table.csv")}


def write_digits(folder):
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 60), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for kind, values in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            (folder / f"{prefix}-{kind}").write_bytes(header + values.tobytes())


class TestMnist(DatasetSuite):
    name = "mnist"

    @pytest.fixture
    def config(self, tmp_path):
        write_digits(tmp_path)
        return {"path": str(tmp_path)}


class TestFashionMnist(DatasetSuite):
    name = "fashion_mnist"

    @pytest.fixture
    def config(self, tmp_path):
        write_digits(tmp_path)
        return {"path": str(tmp_path)}


class TestCifar10(DatasetSuite):
    name = "cifar10"

    @pytest.fixture
    def config(self, tmp_path):
        rng = np.random.default_rng(0)
        for name in ("data_batch_1.bin", "test_batch.bin"):
            records = rng.integers(0, 256, (20, 3073), dtype=np.uint8)
            records[:, 0] = np.arange(20) % 10
            (tmp_path / name).write_bytes(records.tobytes())
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


class TestTfds(DatasetSuite):
    name = "tfds"

    @pytest.fixture
    def config(self, site):
        # In place of the library, which downloads what it reads.
        source = """
            import types
            import numpy as np

            def load(name, *, split, data_dir, download):
                images = np.random.default_rng(len(split)).integers(0, 256, (12, 5, 4, 3), dtype=np.uint8)
                return [{"image": image, "label": number % 3} for number, image in enumerate(images)]

            as_numpy = iter

            def builder(name, *, data_dir):
                feature = types.SimpleNamespace(names=["a", "b", "c"])
                return types.SimpleNamespace(info=types.SimpleNamespace(features={"label": feature}))
        """
        site.install("tensorflow-datasets", {}, {"tensorflow_datasets": source})
        return {"dataset": "pets"}


class TestTfRecord(DatasetSuite):
    name = "tfrecord"

    @pytest.fixture
    def config(self, tmp_path):
        rng = np.random.default_rng(0)
        frames = []
        for number in range(24):
            image = self.field(1, self.field(1, rng.integers(0, 256, 12, dtype=np.uint8).tobytes()))
            label = self.field(3, bytes([8, number % 3]))
            entries = [self.field(1, b"image") + self.field(2, image), self.field(1, b"label") + self.field(2, label)]
            data = self.field(1, b"".join(self.field(1, entry) for entry in entries))
            length = struct.pack("<Q", len(data))
            frames.append(length + self.checksum(length) + data + self.checksum(data))
        (tmp_path / "train.tfrecord").write_bytes(b"".join(frames))
        return {"path": str(tmp_path), "encoding": "raw", "shape": [2, 2, 3]}

    def field(self, number, content):
        return bytes([number << 3 | 2, len(content)]) + content

    def checksum(self, data):
        return struct.pack("<I", masked_crc32c(data))
