from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image

CONFIG = """
[dataset]
name = "image_folder"
path = "pictures"
unreadable = "skip"

[sampler]
name = "class_balanced"
classes_per_batch = 2
examples_per_class = 4
"""


@pytest.fixture
def place(tmp_path):
    """A config, and a folder with four pictures of one class, one of them damaged."""
    (tmp_path / "few.toml").write_text(CONFIG)
    folder = tmp_path / "pictures" / "cat"
    folder.mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (6, 4)).save(folder / f"{number}.png")
    (folder / "2.png").write_bytes(b"damaged")
    return tmp_path


def simplug_run(*arguments, cwd):
    command = [sys.executable, "-m", "simplug", "run", "few.toml", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def test_data_that_cannot_fill_a_batch_are_refused_before_anything_is_written(place):
    earlier = place / "runs" / "few"
    earlier.mkdir(parents=True)
    (earlier / "INCOMPLETE").write_text("train")
    done = simplug_run("--overwrite", "--set", "index.examples_per_class=1", cwd=place)
    assert done.returncode == 1
    *_, warning, named, error = done.stderr.strip().splitlines()
    assert warning == "warning: dataset image_folder: 1 of 4 images cannot be read and are left out:"
    assert named == "  pictures/cat/2.png: it is no picture, or a damaged one"
    assert error == (
        "error: sampler class_balanced: the data set has 1 classes to train on, fewer than classes_per_batch = 2"
    )
    assert [file.name for file in earlier.iterdir()] == ["INCOMPLETE"]


def test_an_augmenter_for_other_examples_is_refused_before_anything_is_written(place):
    rows = "\n".join(f"{number},{number // 8}" for number in range(32))
    (place / "table.csv").write_text(f"f,label\n{rows}\n")
    data = 'dataset={ name = "csv", path = "table.csv", features = ["f"] }'
    settings = ("--set", data, "--set", "augmenter=image_basic", "--set", "index.examples_per_class=1")
    done = simplug_run(*settings, cwd=place)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "error: augmenter image_basic: images have shape (b, height, width, channels), not (8, 1)"
    )
    assert not (place / "runs").exists()
