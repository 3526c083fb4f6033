from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from simplug_datasets import image_files
from simplug_datasets.image_files import ImageFiles
from simplug_datasets.image_folder import ImageFolder
from simplug_datasets.unreadable import UnreadableExampleWarning

from simplug.api import DataError


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        for number in range(12):
            pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:02}.{('png', 'jpg', 'bmp')[number % 3]}")
    return tmp_path


def both(folder, **options):
    """Load the data set with its images in memory, and in their files."""
    return (ImageFolder(str(folder), keep=keep, **options).load() for keep in ("memory", "files"))


@pytest.mark.parametrize("options", [{}, {"size": (5, 4)}, {"color": "gray"}, {"size": (20, 30), "color": "gray"}])
def test_images_in_their_files_are_those_in_memory(folder, options):
    memory, files = both(folder, **options)
    assert files.class_names == memory.class_names
    for name, split in files.splits.items():
        assert isinstance(split.inputs, ImageFiles)
        assert isinstance(memory.splits[name].inputs, np.ndarray)
        assert split.example_shape == memory.splits[name].example_shape
        np.testing.assert_array_equal(split.labels, memory.splits[name].labels)
        np.testing.assert_array_equal(split.read(), memory.splits[name].inputs)


def test_rows_are_read_in_the_order_asked_for_with_repeats(folder):
    memory, files = (data.splits["train"] for data in both(folder))
    rows = np.array([5, 0, 5, 26, 3, 3, 11])
    np.testing.assert_array_equal(files.read(rows), memory.inputs[rows])
    assert files.read(np.array([], np.int64)).shape == (0, 9, 7, 3)


def test_rows_of_a_part_are_rows_of_the_whole(folder):
    memory, files = (data.splits["train"] for data in both(folder))
    part = files[files.labels == 1][np.array([4, 2])]
    assert isinstance(part.inputs, ImageFiles)
    np.testing.assert_array_equal(part.read(), memory.inputs[memory.labels == 1][[4, 2]])


def test_threads_may_read_at_once(folder):
    memory, files = (data.splits["train"] for data in both(folder))
    wanted = [np.random.default_rng(i).integers(0, len(files), 10) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for rows, images in zip(wanted, pool.map(files.read, wanted), strict=True):
            np.testing.assert_array_equal(images, memory.inputs[rows])


def test_images_go_to_their_files_when_they_would_fill_the_memory(folder, monkeypatch):
    monkeypatch.setattr(image_files, "LARGEST_IN_MEMORY", 36 * 9 * 7 * 3)
    assert isinstance(ImageFolder(str(folder)).load().splits["train"].inputs, np.ndarray)
    monkeypatch.setattr(image_files, "LARGEST_IN_MEMORY", 36 * 9 * 7 * 3 - 1)
    assert isinstance(ImageFolder(str(folder)).load().splits["train"].inputs, ImageFiles)


def test_a_turned_photo_has_the_shape_it_is_shown_with(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for ending in ("jpg", "png"):
        (tmp_path / ending / "a").mkdir(parents=True)
        Image.new("RGB", (8, 4)).save(tmp_path / ending / "a" / f"0.{ending}", exif=exif)
        split = ImageFolder(str(tmp_path / ending), keep="files", test_fraction=0).load().splits["train"]
        assert split.example_shape == (8, 4, 3)
        assert split.read().shape == (1, 8, 4, 3)


def test_sizes_that_differ_are_found_while_loading(folder):
    Image.new("RGB", (6, 9)).save(folder / "b" / "03.png")
    with pytest.raises(DataError, match=r"b/03\.png has 9 x 6 pixels, .*a/00\.png has 9 x 7\nset size"):
        ImageFolder(str(folder), keep="files").load()


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp"])
@pytest.mark.parametrize("size", [None, (8, 8)])
def test_a_truncated_file_is_found_while_loading(tmp_path, ending, size):
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / f"0.{ending}"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError, match=rf'a/0\.{ending} cannot be read: .*\nset unreadable = "skip"'):
            ImageFolder(str(tmp_path), size=size, keep="files").load()


def test_a_jpeg_file_with_much_behind_its_end_is_read(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "a" / "0.jpg")
    with (tmp_path / "a" / "0.jpg").open("ab") as stream:
        stream.write(bytes(10_000))
    assert len(ImageFolder(str(tmp_path), keep="files", test_fraction=0).load().splits["train"].read()) == 1


def test_damaged_files_among_many_are_left_out_counted_and_named(folder):
    for name in ("01.jpg", "06.png"):
        path = folder / "b" / name
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.warns(UnreadableExampleWarning, match=r"2 of 36 images .* out:\n .*01\.jpg.*\n .*06\.png") as caught:
        files = ImageFolder(str(folder), keep="files", unreadable="skip", test_fraction=0).load().splits["train"]
    assert caught[0].filename == __file__
    with pytest.warns(UnreadableExampleWarning):
        memory = ImageFolder(str(folder), keep="memory", unreadable="skip", test_fraction=0).load().splits["train"]
    assert np.bincount(files.labels).tolist() == [12, 10, 12]
    np.testing.assert_array_equal(files.read(), memory.inputs)


def test_a_file_that_changes_after_loading_is_named_when_it_is_read(folder):
    train = ImageFolder(str(folder), keep="files", test_fraction=0).load().splits["train"]
    path = folder / "a" / "02.bmp"
    Image.new("RGB", (3, 5)).save(path)
    with pytest.raises(DataError, match=r"02\.bmp has 5 x 3 pixels; it had 9 x 7 when the data set was loaded"):
        train.read(np.arange(8))
    path.unlink()
    with pytest.raises(DataError, match=r"image_folder: .*02\.bmp cannot be read: .*No such file"):
        train.read(np.array([2]))
