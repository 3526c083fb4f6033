from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from drawings import drawing, png, seed_of, write_zip
from simplug_datasets.omniglot import Omniglot

from simplug.api import DataError
from simplug.kernel.config import build, to_config

REAL = Path(__file__).parents[4] / "shared" / "data" / "omniglot"


@pytest.fixture
def folder(tmp_path):
    write_zip(tmp_path / "one.zip", {"Greek": 2, "Korean": 1})
    write_zip(tmp_path / "two.zip", {"Greek": 2, "Angelic": 3})
    return tmp_path


def load(folder, train=("one",), test=("two",), test_alphabets=("Angelic",), **options):
    return Omniglot(str(folder), train, test, test_alphabets=test_alphabets, **options).load()


def test_classes_are_characters_and_groups_alphabets_numbered_over_both_splits(folder):
    data = load(folder)
    names = ["Angelic/character01", "Angelic/character02", "Angelic/character03"]
    names += ["Greek/character01", "Greek/character02", "Korean/character01"]
    assert data.class_names == dict(enumerate(names))
    assert data.group_names == {0: "Angelic", 1: "Greek", 2: "Korean"}
    train, test = data.splits["train"], data.splits["test"]
    assert train.labels.tolist() == np.repeat([3, 4, 5], 20).tolist()
    assert train.groups.tolist() == np.repeat([1, 1, 2], 20).tolist()
    assert test.labels.tolist() == np.repeat([0, 1, 2], 20).tolist()
    assert set(test.groups.tolist()) == {0}


def test_the_row_tells_the_drawer(folder):
    images = load(folder, size=105, invert=False).splits["train"].inputs
    assert images.shape == (60, 105, 105, 1)
    for row in (0, 19, 20, 33, 59):
        alphabet, character = [("Greek", 1), ("Greek", 2), ("Korean", 1)][row // 20]
        expected = drawing(seed_of(alphabet, character, row % 20 + 1)) * 255
        np.testing.assert_array_equal(images[row, ..., 0], expected)


def test_a_smaller_pixel_is_the_mean_of_its_area(folder):
    images = load(folder, size=35).splits["train"].inputs
    ink = 255.0 * ~drawing(seed_of("Greek", 1, 1))
    expected = ink.reshape(35, 3, 35, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(images[0, ..., 0], expected, atol=0.51)


def test_pixels_that_do_not_divide_the_area_share_it(folder):
    images = load(folder).splits["train"].inputs
    assert images.shape == (60, 28, 28, 1)
    ink = 255.0 * ~drawing(seed_of("Greek", 1, 1))
    # Each of the 28 x 28 pixels covers 3.75 x 3.75 of the original: of 15 parts of a quarter, 15 belong to each.
    expected = np.kron(ink, np.ones((4, 4))).reshape(28, 15, 28, 15).mean(axis=(1, 3))
    np.testing.assert_allclose(images[0, ..., 0], expected, atol=0.51)


def test_ink_is_bright_on_dark_unless_it_is_not_inverted(folder):
    bright, dark = (load(folder, invert=invert).splits["train"].inputs for invert in (True, False))
    np.testing.assert_array_equal(bright, 255 - dark)
    assert bright.mean() < 128


def test_a_drawing_in_two_files_is_read_once(folder):
    train = load(folder, train=("one", "two"), test=(), test_alphabets=()).splits["train"]
    assert len(train) == 6 * 20
    assert np.bincount(train.labels).tolist() == [20] * 6


def test_alphabets_may_be_chosen_for_training(folder):
    data = load(folder, train_alphabets=("Korean",), test_alphabets=())
    assert set(data.splits["train"].groups.tolist()) == {2}
    assert set(data.splits["test"].groups.tolist()) == {0, 1}


def test_splits_that_share_drawings_are_refused_with_the_alphabets_left(folder):
    with pytest.raises(DataError, match="share the drawings of Greek; set test_alphabets to others: Angelic"):
        load(folder, test_alphabets=())
    with pytest.raises(DataError, match="the files to test on have none"):
        load(folder, test=("one",), test_alphabets=())


def test_a_missing_file_and_an_unknown_alphabet_are_named_with_those_there(folder):
    with pytest.raises(DataError, match=r"ones\.zip is missing; did you mean 'one'\?\nzip files there: one, two"):
        load(folder, train=("ones",))
    with pytest.raises(
        DataError,
        match="test_alphabets names 'Angelik', which is in none of two; did you mean 'Angelic'\\?\n"
        "alphabets there: Angelic, Greek",
    ):
        load(folder, test_alphabets=("Angelik",))
    with pytest.raises(DataError, match="nowhere is missing"):
        load(folder / "nowhere")


def test_an_empty_list_to_train_on_is_refused():
    with pytest.raises(ValueError, match="train must name a zip file"):
        Omniglot("x", train=())


def test_a_character_without_all_its_drawers_is_refused(tmp_path):
    write_zip(tmp_path / "one.zip", {"Greek": 2}, drawers=19)
    with pytest.raises(
        DataError, match="2 of 2 characters lack drawings, such as Greek/character01, which has 19 of 20"
    ):
        load(tmp_path, test=(), test_alphabets=())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text", "cannot be read"),
        (png(drawing(0))[:-40], "cannot be read"),
        (png(drawing(0, 28)), "has 28 x 28 pixels"),
    ],
)
def test_a_damaged_drawing_is_named(tmp_path, content, reason):
    write_zip(tmp_path / "one.zip", {"Greek": 1}, Greek_1_07=content)
    with pytest.raises(DataError, match=rf"one/Greek/character01/0901_07\.png in .*one\.zip {reason}"):
        load(tmp_path, test=(), test_alphabets=())


def test_a_damaged_zip_file_is_named(folder):
    path = folder / "one.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"one\.zip is no zip file, or a damaged one"):
        load(folder)
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    path.write_bytes(flipped)
    with pytest.raises(DataError, match=r"in .*one\.zip cannot be read"):
        load(folder)
    zipfile.ZipFile(path, "w").close()
    with pytest.raises(DataError, match=r"one\.zip holds no drawing"):
        load(folder)


def test_the_settings_survive_a_config(folder):
    dataset = Omniglot(str(folder), ("one",), ("two",), test_alphabets=("Angelic",))
    assert build("dataset", to_config(dataset)) == dataset


@pytest.mark.skipif(not REAL.is_dir(), reason="Omniglot is not beside the repository, in ../shared/data/omniglot")
def test_the_small_sets_give_136_characters_and_106_unseen_ones():
    data = load(
        REAL,
        ("images_background_small1",),
        ("images_background_small2",),
        ("Japanese_(katakana)", "Sanskrit", "Tagalog"),
        size=105,
        invert=False,
    )
    train, test = data.splits["train"], data.splits["test"]
    assert len(train) == 136 * 20
    assert len(test) == 106 * 20
    assert [name.split("/")[0] for label, name in data.class_names.items() if label in (0, 241)] == [
        "Balinese",
        "Tagalog",
    ]
    assert len(np.unique(train.groups)) == 5
    assert np.unique(train.inputs).tolist() == [0, 255]
    assert train.inputs.mean() > 230
