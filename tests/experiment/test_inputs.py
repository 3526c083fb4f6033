"""Files as queries: images of any size, and arrays."""

import numpy as np
import pytest
from PIL import Image

from simplug.experiment.inputs import read_inputs
from simplug.kernel.errors import DataError


def test_an_image_of_the_right_size_is_taken_pixel_by_pixel(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, size=(8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    inputs = read_inputs([tmp_path / "a.png"], (8, 8, 1))
    assert np.array_equal(inputs.examples[0, :, :, 0], pixels)


def test_another_image_is_resized_and_converted(tmp_path):
    Image.new("RGBA", (40, 20), (200, 100, 50, 255)).save(tmp_path / "a.png")
    assert read_inputs([tmp_path / "a.png"], (8, 6, 3)).examples.shape == (1, 8, 6, 3)
    assert read_inputs([tmp_path / "a.png"], (8, 6, 1)).examples.shape == (1, 8, 6, 1)


def test_an_array_holds_one_input_or_several(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros((4, 4, 1)))
    np.save(tmp_path / "two.npy", np.ones((2, 4, 4, 1), dtype=np.uint8))
    inputs = read_inputs([tmp_path / "one.npy", tmp_path / "two.npy"], (4, 4, 1))
    assert inputs.examples.shape == (3, 4, 4, 1)
    assert inputs.names == [str(tmp_path / "one.npy"), f"{tmp_path}/two.npy[0]", f"{tmp_path}/two.npy[1]"]


def test_files_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    np.save(tmp_path / "wide.npy", np.zeros((2, 5)))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name, message in {
        "missing.png": r"missing\.png: there is no such file",
        "torn.png": r"torn\.png cannot be read as an image",
        "wide.npy": r"wide\.npy holds an array of shape \(2, 5\); an input of the model has shape \(4, 4, 1\)",
        "objects.npy": r"objects\.npy cannot be read as an array",
    }.items():
        with pytest.raises(DataError, match=message):
            read_inputs([tmp_path / name], (4, 4, 1))


def test_images_are_refused_by_a_model_of_plain_vectors(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"takes inputs of shape \(8,\), not images; give it a \.npy file"):
        read_inputs([tmp_path / "a.png"], (8,))
