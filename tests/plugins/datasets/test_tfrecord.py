from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from records import example_of, frame, png, write_shard
from simplug_datasets import record_index
from simplug_datasets.tfrecord import RecordExamples, TfRecord
from simplug_datasets.unreadable import UnreadableExampleWarning

from simplug.api import DataError
from simplug.api.holding_out import held_out
from simplug.kernel.config import build, to_config

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 3), dtype=np.uint8)


def examples(**changes):
    """Return 60 records of five classes, in no order; `changes` are further features, by functions of the number."""
    order = np.random.default_rng(1).permutation(60).tolist()
    made = {"image": lambda i: png(IMAGES[i]), "label": lambda i: i % 5, **changes}
    return order, [{name: value(i) for name, value in made.items()} for i in order]


def write(folder, made, shards=3, name="train"):
    size = -(-len(made) // shards)
    for shard in range(shards):
        write_shard(folder / f"{name}-{shard}.tfrecord", made[shard * size : shard * size + size])


def load(path, **options):
    return TfRecord(str(path), **{"test_fraction": 0, **options}).load()


def numbers_of(split):
    """Return which of the images are in a split, in its order."""
    return [int(np.flatnonzero((image == IMAGES).all(axis=(1, 2, 3)))[0]) for image in split.read()]


def index_of(folder):
    (found,) = folder.glob(".simplug-index-*")
    return found


def test_records_stand_by_class_and_of_a_class_in_the_order_of_the_files(tmp_path):
    order, made = examples()
    write(tmp_path, made)
    train = load(tmp_path).splits["train"]
    assert isinstance(train.inputs, RecordExamples)
    assert train.example_shape == (6, 5, 3)
    assert train.labels.tolist() == np.repeat(range(5), 12).tolist()
    assert numbers_of(train) == [i for label in range(5) for i in order if i % 5 == label]


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_the_size_of_a_block_changes_nothing(tmp_path, monkeypatch, block):
    monkeypatch.setattr(record_index, "_BLOCK", block)
    order, made = examples(category=lambda i: [b"x", b"a"][i % 2])
    write(tmp_path, made)
    data = load(tmp_path, category_key="category", test_fraction=0.25)
    assert data.group_names == {0: "a", 1: "x"}
    whole = [i for label in range(5) for i in order if i % 5 == label]
    is_test = held_out(np.array(whole) % 5, 0.25, seed=0)
    for name, mask in (("train", ~is_test), ("test", is_test)):
        expected = np.array(whole)[mask]
        assert numbers_of(data.splits[name]) == expected.tolist()
        assert data.splits[name].labels.tolist() == (expected % 5).tolist()
        assert data.splits[name].groups.tolist() == (1 - expected % 2).tolist()  # a is 0, x is 1


def test_files_to_test_on_are_a_split_and_texts_are_numbered_over_both(tmp_path):
    order, made = examples(label=lambda i: f"class {9 - i % 5}".encode())
    write(tmp_path, made[:30])
    write(tmp_path, made[30:], name="test")
    data = load(tmp_path / "train-*", test_path=str(tmp_path / "test-*"))
    assert data.class_names == {n: f"class {n + 5}" for n in range(5)}
    for name, part in (("train", order[:30]), ("test", order[30:])):
        assert sorted(numbers_of(data.splits[name])) == sorted(part)
        assert data.splits[name].labels.tolist() == [4 - i % 5 for i in numbers_of(data.splits[name])]


def test_rows_are_read_in_the_order_asked_for_and_parts_are_parts(tmp_path):
    write(tmp_path, examples()[1])
    train = load(tmp_path).splits["train"]
    numbers = np.array(numbers_of(train))
    rows = np.array([40, 3, 3, 59, 0, 17])
    np.testing.assert_array_equal(train.read(rows), IMAGES[numbers[rows]])
    part = train[train.labels == 2]
    assert isinstance(part.inputs, RecordExamples)
    np.testing.assert_array_equal(part[np.array([5, 1])].read(), IMAGES[numbers[train.labels == 2][[5, 1]]])


def test_threads_may_read_at_once(tmp_path):
    write(tmp_path, examples()[1])
    train = load(tmp_path).splits["train"]
    numbers = np.array(numbers_of(train))
    wanted = [np.random.default_rng(i).integers(0, 60, 9) for i in range(30)]
    with ThreadPoolExecutor(8) as pool:
        for rows, read in zip(wanted, pool.map(train.read, wanted), strict=True):
            np.testing.assert_array_equal(read, IMAGES[numbers[rows]])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_raw_arrays_are_read_with_their_type(tmp_path, dtype):
    arrays = np.arange(60 * 6).reshape(60, 2, 3).astype(dtype)
    order, made = examples(image=lambda i: arrays[i].astype(arrays.dtype.newbyteorder("<")).tobytes())
    write(tmp_path, made)
    train = load(tmp_path, encoding="raw", shape=(2, 3), dtype=dtype).splits["train"]
    whole = [i for label in range(5) for i in order if i % 5 == label]
    assert train.read().dtype == np.dtype(dtype)
    np.testing.assert_array_equal(train.read(), arrays[whole])


def test_lists_of_numbers_are_read(tmp_path):
    order, made = examples(image=lambda i: np.float32([i, i / 2, -i, 0.25]))
    write(tmp_path, made)
    train = load(tmp_path, encoding="numbers", shape=(2, 2)).splits["train"]
    first = order[[i % 5 for i in order].index(0)]
    np.testing.assert_array_equal(train.read(np.array([0])), np.float32([[[first, first / 2], [-first, 0.25]]]))


def test_images_are_brought_to_size(tmp_path):
    _, made = examples(image=lambda i: png(IMAGES[i][: 3 + i % 2]))
    write(tmp_path, made)
    with pytest.raises(
        DataError, match=r"train-0.*, record at byte \d+, has \d x 5 pixels; .*, record at byte 0, has \d x 5\nset size"
    ):
        load(tmp_path)
    assert load(tmp_path, size=(8, 7), color="gray").splits["train"].read().shape == (60, 8, 7, 1)


def test_the_index_is_kept_and_used_again(tmp_path, monkeypatch):
    write(tmp_path, examples()[1])
    first = load(tmp_path)
    written = (index_of(tmp_path) / "index.json").stat().st_mtime_ns
    monkeypatch.setattr(record_index, "records", None)  # The files are not gone through again.
    second = load(tmp_path)
    assert (index_of(tmp_path) / "index.json").stat().st_mtime_ns == written
    np.testing.assert_array_equal(second.splits["train"].read(), first.splits["train"].read())


def test_an_index_may_be_made_by_several_at_once(tmp_path):
    write(tmp_path, examples()[1])
    with ThreadPoolExecutor(6) as pool:
        loaded = list(pool.map(load, [tmp_path] * 12))
    for data in loaded:
        assert len(set(numbers_of(data.splits["train"]))) == 60
    assert len(list(tmp_path.glob(".simplug-index-*"))) == 1


def test_files_that_changed_get_a_new_index_and_the_old_one_goes(tmp_path):
    _, made = examples()
    write(tmp_path, made)
    load(tmp_path)
    old = index_of(tmp_path)
    write_shard(tmp_path / "train-1.tfrecord", made[:4])
    assert len(load(tmp_path).splits["train"]) == 44
    assert index_of(tmp_path) != old
    os.utime(tmp_path / "train-0.tfrecord", ns=(1, 1))
    newer = index_of(tmp_path)
    load(tmp_path)
    assert index_of(tmp_path) != newer


def test_each_setting_has_an_index_of_its_own(tmp_path):
    write(tmp_path, examples(other=lambda i: i % 3)[1])
    assert np.bincount(load(tmp_path).splits["train"].labels).tolist() == [12] * 5
    assert np.bincount(load(tmp_path, label_key="other").splits["train"].labels).tolist() == [20] * 3
    assert len(list(tmp_path.glob(".simplug-index-*"))) == 2


@pytest.mark.parametrize("name", ["index.json", "train/labels.npy", "train/places.npy"])
def test_a_damaged_index_is_made_again(tmp_path, name):
    write(tmp_path, examples()[1])
    expected = load(tmp_path).splits["train"].labels.tolist()
    path = index_of(tmp_path) / name
    whole = path.read_bytes()
    for damaged in (b"", whole[:-1], whole[:60] + bytes([whole[60] ^ 1]) + whole[61:], None):
        if damaged is None:
            path.unlink()
        else:
            path.write_bytes(damaged)
        assert load(tmp_path).splits["train"].labels.tolist() == expected
        assert path.read_bytes()[:40] == whole[:40]


def test_nothing_is_left_behind_when_making_the_index_fails(tmp_path):
    _, made = examples()
    made[50]["label"] = 1.5
    write(tmp_path, made)
    with pytest.raises(DataError, match=r"its label should be one whole number from 0 on, or one text, not 1\.5"):
        load(tmp_path)
    assert list(tmp_path.glob(".*")) == []


def test_the_index_may_be_kept_elsewhere(tmp_path):
    write(tmp_path / "data", examples()[1])
    load(tmp_path / "data", cache=str(tmp_path / "cache" / "deeper"))
    assert list((tmp_path / "data").glob(".*")) == []
    assert index_of(tmp_path / "cache" / "deeper").is_dir()


def test_a_place_that_cannot_be_written_to_is_named_with_the_way_out(tmp_path):
    write(tmp_path / "data", examples()[1])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written to .*file: Not a directory\nset cache to a folder"):
        load(tmp_path / "data", cache=str(tmp_path / "file"))


def damage(folder):
    """Write three files with a flipped bit, a record that is no example, a broken image, and a cut end."""
    _, made = examples()
    made[7]["image"] = b"broken"
    frames = [frame(example_of(example)) for example in made]
    frames[3] = frames[3][:40] + bytes([frames[3][40] ^ 1]) + frames[3][41:]
    frames[30] = frame(b"\xff\xff no example")
    frames[59] = frames[59][:-9]
    for shard in range(3):
        (folder / f"train-{shard}.tfrecord").write_bytes(b"".join(frames[shard * 20 : shard * 20 + 20]))


def test_damaged_records_are_refused_with_file_and_byte(tmp_path):
    damage(tmp_path)
    with pytest.raises(
        DataError,
        match=r"train-0\.tfrecord, record at byte \d+ cannot be read: the checksum of its data is wrong\n"
        r'set unreadable = "skip" to leave such records out',
    ):
        load(tmp_path)


def test_damaged_records_are_left_out_counted_and_named_each_time(tmp_path):
    damage(tmp_path)
    for _ in range(2):  # The second time from the index.
        with pytest.warns(UnreadableExampleWarning, match="4 of 60 records cannot be read and are left out") as caught:
            train = load(tmp_path, unreadable="skip").splits["train"]
        lines = str(caught[0].message).splitlines()[1:]
        assert [line.split(", record")[0][-16:] for line in lines] == [
            f"train-{shard}.tfrecord" for shard in (0, 0, 1, 2)
        ]
        assert "no tf.train.Example" in lines[2]
        assert "the file ends after" in lines[3]
        assert len(train) == 56
    assert len(set(numbers_of(train))) == 56


def test_files_without_a_readable_record_are_refused(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(b"no records at all")
    with pytest.raises(DataError, match=r"none of the 1 records for train in .* can be read"):
        load(tmp_path, unreadable="skip")


def test_a_missing_feature_is_named_with_the_nearest_and_those_there(tmp_path):
    write(tmp_path, examples()[1])
    with pytest.raises(
        DataError, match="it has no feature 'lable'; did you mean 'label'\\?\nfeatures there: image, label"
    ):
        load(tmp_path, label_key="lable")


@pytest.mark.parametrize("label", [-1, 0.5, np.array([1, 2])])
def test_labels_that_are_neither_a_number_nor_a_text_are_refused(tmp_path, label):
    write(tmp_path, examples(label=lambda i: label)[1])
    with pytest.raises(DataError, match="its label should be one whole number from 0 on, or one text, not"):
        load(tmp_path)


def test_labels_of_both_kinds_are_refused(tmp_path):
    write(tmp_path, examples(label=lambda i: i if i % 2 else b"text")[1])
    with pytest.raises(DataError, match=r"its label .* is (a text, and those before are numbers|a number, and those)"):
        load(tmp_path)


def test_arrays_of_another_length_and_with_nan_are_refused(tmp_path):
    write(tmp_path, examples(image=lambda i: bytes(11))[1])
    with pytest.raises(DataError, match=r"it holds 11 bytes; uint8 of shape \(3, 4\) has 12"):
        load(tmp_path, encoding="raw", shape=(3, 4))
    write(tmp_path, examples(image=lambda i: np.float32([1, np.nan]))[1])
    with pytest.raises(DataError, match="it holds NaN or infinity"):
        load(tmp_path, encoding="numbers", shape=(2,))
    with pytest.raises(DataError, match=r"it holds 2 numbers; shape \(3,\) has 3"):
        load(tmp_path, encoding="numbers", shape=(3,))


def test_a_file_that_changes_after_loading_is_named_when_it_is_read(tmp_path):
    write(tmp_path, examples()[1])
    train = load(tmp_path).splits["train"]
    path = tmp_path / "train-1.tfrecord"
    path.write_bytes(b"x" + path.read_bytes())
    with pytest.raises(DataError, match=r"train-1\.tfrecord, record at byte \d+, cannot be read"):
        train.read()
    (tmp_path / "train-1.tfrecord").unlink()
    with pytest.raises(DataError, match=r"train-1\.tfrecord, record at byte \d+, cannot be read: No such file"):
        train.read()


def test_no_file_and_a_file_in_both_splits_are_refused(tmp_path):
    with pytest.raises(DataError, match="names no file; it should be a file, a folder"):
        load(tmp_path)
    write(tmp_path, examples()[1])
    with pytest.raises(DataError, match=r"train-0\.tfrecord is in both path and test_path"):
        load(tmp_path, test_path=str(tmp_path / "*-0.*"))


def test_classes_of_one_record_cannot_be_held_out(tmp_path):
    write(tmp_path, examples(label=lambda i: i)[1])
    with pytest.raises(DataError, match=r"the test split is empty; .* Set test_fraction = 0"):
        load(tmp_path, test_fraction=0.25)
    assert list(tmp_path.glob(".*")) == []


def test_settings_that_contradict_are_refused():
    with pytest.raises(ValueError, match="shape must be set when encoding is 'raw'"):
        TfRecord("x", encoding="raw")
    with pytest.raises(ValueError, match="dtype is for examples that are no images"):
        TfRecord("x", dtype="float32")


def test_the_settings_survive_a_config():
    dataset = TfRecord("x", encoding="raw", shape=(2, 3), dtype="float32", cache="y")
    assert build("dataset", to_config(dataset)) == dataset


def test_a_name_of_a_folder_may_have_characters_of_a_pattern(tmp_path):
    folder = tmp_path / "a[1]"
    write(folder, examples()[1])
    assert len(load(folder).splits["train"]) == 60
    assert isinstance(index_of(folder), Path)
