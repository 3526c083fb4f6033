from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image
from simplug_datasets.image_folder import ImageFolder
from simplug_datasets.unreadable import UnreadableExampleWarning, UnreadFilesWarning

from simplug.api import DataError
from simplug.kernel.config import build, to_config


def picture(path, color=(0, 0, 0), size=(6, 4), **options):
    """Write a picture of one color; `size` is width and height, as Pillow has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **options)


def folder_of(tmp_path, counts, **options):
    for number, (name, count) in enumerate(counts.items()):
        for i in range(count):
            picture(tmp_path / name / f"{i}.png", (number, i, 200), **options)
    return tmp_path


def load(path, **options):
    return ImageFolder(str(path), **options).load()


def test_labels_count_the_sorted_class_names(tmp_path):
    folder_of(tmp_path, {"dog": 2, "Bird": 3, "cat": 1})
    data = load(tmp_path, test_fraction=0)
    assert data.class_names == {0: "Bird", 1: "cat", 2: "dog"}
    train = data.splits["train"]
    assert train.labels.tolist() == [0, 0, 0, 1, 2, 2]
    assert train.inputs.shape == (6, 4, 6, 3)
    assert train.inputs.dtype == np.uint8
    # The dog was the first class to be written, the bird the second; the second channel counts the pictures.
    np.testing.assert_array_equal(
        train.inputs[:, 0, 0], [(n, i, 200) for n, i in zip([1, 1, 1, 2, 0, 0], [0, 1, 2, 0, 0, 1], strict=True)]
    )


def test_a_share_of_each_class_is_held_out(tmp_path):
    data = load(folder_of(tmp_path, {"a": 8, "b": 4}))
    assert np.bincount(data.splits["train"].labels).tolist() == [6, 3]
    assert np.bincount(data.splits["test"].labels).tolist() == [2, 1]


def test_folders_train_and_test_are_the_splits_and_their_classes_are_numbered_together(tmp_path):
    folder_of(tmp_path / "train", {"a": 2, "c": 1})
    folder_of(tmp_path / "test", {"b": 1, "c": 3})
    data = load(tmp_path)
    assert data.class_names == {0: "a", 1: "b", 2: "c"}
    assert data.splits["train"].labels.tolist() == [0, 0, 2]
    assert data.splits["test"].labels.tolist() == [1, 2, 2, 2]


def test_a_folder_train_alone_is_split_by_share(tmp_path):
    folder_of(tmp_path / "train", {"a": 4, "b": 4})
    data = load(tmp_path)
    assert len(data.splits["train"]) == 6
    assert data.class_names == {0: "a", 1: "b"}


def test_classes_named_train_and_test_are_classes_when_they_hold_images(tmp_path):
    assert load(folder_of(tmp_path, {"train": 2, "test": 2})).class_names == {0: "test", 1: "train"}


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "bmp", "gif", "webp", "PNG", "JPG"])
def test_each_format_is_read(tmp_path, ending):
    options = {"quality": 95} if ending.lower() in ("jpg", "jpeg", "webp") else {}
    picture(tmp_path / "a" / f"0.{ending}", (250, 120, 10), (16, 16), **options)
    pixels = load(tmp_path, test_fraction=0).splits["train"].inputs
    np.testing.assert_allclose(pixels[0].reshape(-1, 3).mean(axis=0), (250, 120, 10), atol=6)


def test_hidden_names_and_other_files_are_ignored(tmp_path):
    folder_of(tmp_path, {"a": 2, "b": 2})
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README.txt").write_text("not a class")
    (tmp_path / "a" / "._0.png").write_bytes(b"not an image")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"not an image")
    assert len(load(tmp_path, test_fraction=0).splits["train"]) == 4


def test_gray_has_one_channel_of_luminance(tmp_path):
    picture(tmp_path / "a" / "0.png", (255, 0, 0))
    pixels = load(tmp_path, color="gray", test_fraction=0).splits["train"].inputs
    assert pixels.shape == (1, 4, 6, 1)
    assert set(pixels.ravel().tolist()) == {76}  # 0.299 of 255


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_images_are_brought_to_size_given_as_height_and_width(tmp_path, ending):
    picture(tmp_path / "a" / f"0.{ending}", (10, 20, 30), (600, 40))
    picture(tmp_path / "a" / f"1.{ending}", (10, 20, 30), (5, 9))
    pixels = load(tmp_path, size=(7, 3), test_fraction=0).splits["train"].inputs
    assert pixels.shape == (2, 7, 3, 3)
    np.testing.assert_allclose(pixels.reshape(-1, 3), np.tile([10, 20, 30], (42, 1)), atol=2)


def test_images_of_several_sizes_without_a_size_name_both_files(tmp_path):
    picture(tmp_path / "a" / "0.png", size=(6, 4))
    picture(tmp_path / "b" / "1.png", size=(4, 6))
    with pytest.raises(
        DataError, match=r"b/1\.png has 6 x 4 pixels, .*a/0\.png has 4 x 6\nset size = \[height, width\]"
    ):
        load(tmp_path)


def test_images_are_turned_upright_as_their_exif_data_say(tmp_path):
    image = Image.new("RGB", (8, 4))
    image.paste((255, 255, 255), (0, 0, 4, 4))  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown after a quarter turn clockwise
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a" / "0.png", exif=exif)
    pixels = load(tmp_path, color="gray", test_fraction=0).splits["train"].inputs[0, ..., 0]
    assert pixels.shape == (8, 4)
    assert pixels[:4].min() == 255
    assert pixels[4:].max() == 0


def test_what_is_transparent_is_put_on_white(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(tmp_path / "a" / "0.png")
    assert load(tmp_path, test_fraction=0).splits["train"].inputs.min() == 255


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / "a" / "0.png")
    pixels = load(tmp_path, color="gray", test_fraction=0).splits["train"].inputs
    assert pixels.ravel().tolist() == [0, 1, 128, 255]


def test_a_palette_is_resolved(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (3, 3), (9, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a" / "0.png")
    pixels = load(tmp_path, test_fraction=0).splits["train"].inputs
    np.testing.assert_array_equal(pixels.reshape(-1, 3), np.tile([9, 200, 30], (9, 1)))


def noisy(path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp"])
def test_a_truncated_image_is_an_error_that_names_it(tmp_path, ending):
    path = noisy(tmp_path / "a" / f"0.{ending}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf'a/0\.{ending} cannot be read: .*\nset unreadable = "skip"'):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM"])
def test_bytes_that_are_no_image_are_an_error_that_names_the_file(tmp_path, content):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a/0\.png cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp"])
def test_no_damage_escapes_as_another_error(tmp_path, ending):
    path = noisy(tmp_path / "a" / f"0.{ending}")
    intact = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(150):
        damaged = bytearray(intact)
        # Most of the structure is at the beginning.
        for place in rng.integers(0, min(len(damaged), 400), 3):
            damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged))
        try:
            load(tmp_path, size=(4, 4), test_fraction=0)
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 - an image may also be readable still


def test_unreadable_images_are_left_out_and_counted_on_request(tmp_path):
    folder_of(tmp_path, {"a": 6, "b": 2})
    for name in ("1", "4"):
        (tmp_path / "a" / f"{name}.png").write_bytes(b"broken")
    with pytest.warns(
        UnreadableExampleWarning, match=r"2 of 8 images cannot be read and are left out:\n .*1\.png.*\n .*4\.png"
    ):
        train = load(tmp_path, unreadable="skip", test_fraction=0).splits["train"]
    assert train.labels.tolist() == [0, 0, 0, 0, 1, 1]
    assert train.inputs[:, 0, 0, 1].tolist() == [0, 2, 3, 5, 0, 1]


def test_the_first_five_of_many_unreadable_images_are_named(tmp_path):
    folder_of(tmp_path, {"a": 9})
    for i in range(7):
        (tmp_path / "a" / f"{i}.png").write_bytes(b"broken")
    with pytest.warns(UnreadableExampleWarning, match="7 of 9 images") as caught:
        load(tmp_path, unreadable="skip")
    text = str(caught[0].message)
    assert text.count(".png: ") == 5
    assert text.endswith("and 2 more")


def test_a_class_of_which_no_image_can_be_read_is_an_error(tmp_path):
    folder_of(tmp_path, {"a": 2, "b": 1})
    (tmp_path / "b" / "0.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"none of the images in .*b can be read, of 1"):
        load(tmp_path, unreadable="skip")


def test_a_missing_folder_no_class_and_an_empty_class_are_errors(tmp_path):
    with pytest.raises(DataError, match="nowhere is missing"):
        load(tmp_path / "nowhere")
    picture(tmp_path / "loose.png")
    with pytest.raises(DataError, match="has no folders; it should have one for each class"):
        load(tmp_path)
    folder_of(tmp_path, {"a": 1})
    (tmp_path / "b" / "deeper").mkdir(parents=True)
    with pytest.raises(DataError, match=r"1 of 2 classes in .* have no image: b\nimages are files directly in"):
        load(tmp_path)


def test_an_empty_test_folder_is_an_error(tmp_path):
    folder_of(tmp_path / "train", {"a": 1})
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="test has no folders"):
        load(tmp_path)


def test_classes_of_one_image_cannot_be_held_out(tmp_path):
    with pytest.raises(DataError, match="the test split is empty"):
        load(folder_of(tmp_path, {"a": 1, "b": 1}))


def test_the_settings_survive_a_config(tmp_path):
    dataset = ImageFolder(str(tmp_path), size=(32, 48), color="gray")
    config = to_config(dataset)
    assert config["size"] == [32, 48]
    assert build("dataset", config) == dataset
    assert build("dataset", {"name": "image_folder", "path": "x", "size": "none"}).size is None


def test_what_looks_like_images_and_is_not_read_is_counted_and_named_once(tmp_path):
    folder_of(tmp_path, {"a": 3, "b": 3})
    picture(tmp_path / "stray.png")
    picture(tmp_path / "a" / "more" / "0.png")
    picture(tmp_path / "b" / "scan.tiff")
    for ignored in ("a/notes.txt", "a/.DS_Store", "a/._0.png", "Thumbs.db"):
        (tmp_path / ignored).write_bytes(b"x")
    with pytest.warns(UnreadFilesWarning) as caught:
        assert len(load(tmp_path, test_fraction=0).splits["train"]) == 6
    assert len(caught) == 1
    head, *named = str(caught[0].message).splitlines()
    assert head.endswith("1 folders and 2 pictures are not read, by their place or their ending:")
    assert [line.strip() for line in named] == [str(tmp_path / name) for name in ("a/more", "b/scan.tiff", "stray.png")]


def test_folders_beside_train_and_test_are_told(tmp_path):
    for split in ("train", "val", "test"):
        folder_of(tmp_path / split, {"a": 2, "b": 2})
    with pytest.warns(UnreadFilesWarning, match=r"1 folders are not read.*\n  .*val$"):
        assert list(load(tmp_path).splits) == ["train", "test"]


def test_splits_by_other_names_are_told_from_classes(tmp_path):
    for split in ("training", "validation"):
        folder_of(tmp_path / split, {"a": 2, "b": 2})
    with pytest.raises(
        DataError, match=r"there are folders in training, validation; is 'training' the split 'train'\?"
    ):
        load(tmp_path)


def test_a_link_to_nowhere_is_an_image_that_cannot_be_read(tmp_path):
    folder_of(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "link.png").symlink_to(tmp_path / "none.png")
    with pytest.raises(DataError, match=r"link\.png cannot be read: No such file or directory\nset unreadable"):
        load(tmp_path)
    with pytest.warns(UnreadableExampleWarning, match="1 of 7 images"):
        assert len(load(tmp_path, unreadable="skip", test_fraction=0).splits["train"]) == 6


@pytest.mark.parametrize(("content", "reason"), [(b"", "it is empty"), (b"no", "it is no picture, or a damaged one")])
def test_the_reason_says_what_a_file_is(tmp_path, content, reason):
    folder_of(tmp_path, {"a": 2})
    (tmp_path / "a" / "1.png").write_bytes(content)
    for keep in ("memory", "files"):
        with pytest.raises(DataError, match=rf"1\.png cannot be read: {reason}\n"):
            load(tmp_path, keep=keep)


def test_a_missing_folder_is_told_the_nearest_name_and_where_it_was_looked_for(tmp_path, monkeypatch):
    folder_of(tmp_path / "pictures", {"a": 2})
    with pytest.raises(DataError, match=r"picturs is missing; did you mean 'pictures'\?"):
        load(tmp_path / "picturs")
    with pytest.raises(DataError, match=r"is missing: there is no folder .*none$"):
        load(tmp_path / "none" / "deep" / "deeper")
    with pytest.raises(DataError, match=r"0\.png is a file; it should be a folder"):
        load(tmp_path / "pictures" / "a" / "0.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=rf"nowhere is missing in {tmp_path}$"):
        load("nowhere")


def test_names_of_classes_that_are_no_utf8_can_be_written(tmp_path):
    folder_of(tmp_path, {"Kätzchen": 2})
    (tmp_path / "Kätzchen").rename(tmp_path / os.fsdecode(b"\xff"))
    folder_of(tmp_path, {"Kätzchen": 2})
    names = load(tmp_path, test_fraction=0).class_names
    assert [name.encode() for name in names.values()] == ["Kätzchen".encode(), rb"\xff"]
