from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from simplug_datasets.array_files import ArrayFiles
from simplug_datasets.csv_table import CsvTable, OddLabelsWarning
from simplug_datasets.image_files import ImageFiles
from simplug_datasets.unreadable import UnreadableExampleWarning

from simplug.api import Columns, DataError
from simplug.kernel.config import build, to_config

HEADINGS = ["path", "label", "split", "category"]


def write_table(folder, rows, headings=HEADINGS, name="table.csv", **options):
    path = folder / name
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, **options)
        writer.writerow(headings)
        writer.writerows(rows)
    return path


def picture(path, color, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


@pytest.fixture
def rows(tmp_path):
    """Rows of 12 pictures of three classes, in two categories, four of them to test on."""
    made = []
    for number in range(12):
        picture(tmp_path / "pictures" / f"{number}.png", (number, 0, 200))
        split = "test" if number % 3 == 2 else "train"
        label = ["cat", "dog", "ant"][number // 4]
        made.append([f"pictures/{number}.png", label, split, "insect" if label == "ant" else "pet"])
    return made


def load(path, **options):
    return CsvTable(str(path), **options).load()


def test_rows_become_splits_with_labels_in_the_order_of_their_names(tmp_path, rows):
    data = load(write_table(tmp_path, rows))
    assert data.class_names == {0: "ant", 1: "cat", 2: "dog"}
    train, test = data.splits["train"], data.splits["test"]
    assert list(data.splits) == ["train", "test"]
    assert train.inputs.shape == (8, 4, 6, 3)
    assert train.inputs[:, 0, 0, 0].tolist() == [0, 1, 3, 4, 6, 7, 9, 10]
    assert train.labels.tolist() == [1, 1, 1, 2, 2, 2, 0, 0]
    assert test.inputs[:, 0, 0, 0].tolist() == [2, 5, 8, 11]
    assert test.labels.tolist() == [1, 2, 0, 0]
    assert data.group_names == {0: "insect", 1: "pet"}
    assert train.groups.tolist() == [1, 1, 1, 1, 1, 1, 0, 0]


def test_whole_numbers_stay_labels_and_categories(tmp_path, rows):
    numbered = [[path, 7 * i, split, 3 + i % 2] for i, (path, _, split, _) in enumerate(rows)]
    data = load(write_table(tmp_path, numbered))
    assert data.class_names == data.group_names == {}
    assert data.splits["train"].labels.tolist() == [0, 7, 21, 28, 42, 49, 63, 70]
    assert set(data.splits["train"].groups.tolist()) == {3, 4}


@pytest.mark.parametrize("odd", ["07", "1\u0661", "-1", "1.5", "1e3", "1" * 30, "x"])
def test_a_label_that_is_no_whole_number_makes_all_of_them_names(tmp_path, rows, odd):
    labelled = [[path, odd if i < 4 else 7, split, category] for i, (path, _, split, category) in enumerate(rows)]
    names = load(write_table(tmp_path, labelled)).class_names
    assert names == dict(enumerate(sorted([odd, "7"])))


def test_without_a_column_of_splits_a_share_of_each_class_is_held_out(tmp_path, rows):
    data = load(write_table(tmp_path, [row[:2] for row in rows], HEADINGS[:2]))
    assert np.bincount(data.splits["train"].labels).tolist() == [3, 3, 3]
    assert np.bincount(data.splits["test"].labels).tolist() == [1, 1, 1]
    assert data.splits["train"].groups is None


def test_a_validation_split_is_kept(tmp_path, rows):
    rows[3][2] = "validation"
    assert len(load(write_table(tmp_path, rows)).splits["validation"]) == 1


def test_columns_may_have_other_names_and_fields_another_delimiter(tmp_path, rows):
    path = write_table(tmp_path, rows, ["file", "what", "part", "kind"], delimiter=";")
    options = {"path_column": "file", "label_column": "what", "split_column": "part", "category_column": "kind"}
    data = load(path, delimiter=";", **options)
    assert len(data.splits["train"]) == 8
    assert data.splits["train"].groups is not None


def test_a_byte_order_mark_spaces_and_empty_lines_do_no_harm(tmp_path):
    picture(tmp_path / "0.png", (0, 0, 0))
    picture(tmp_path / "1.png", (0, 0, 0))
    (tmp_path / "table.csv").write_bytes(b"\xef\xbb\xbfpath, label\r\n0.png, a \r\n\r\n1.png ,a\r\n")
    assert load(tmp_path / "table.csv", test_fraction=0).class_names == {0: "a"}


def test_rows_of_delimiters_and_a_column_without_a_heading_are_passed_over(tmp_path):
    for name in "01":
        picture(tmp_path / f"{name}.png", (0, 0, 0))
    (tmp_path / "table.csv").write_text(",path,label\n0,0.png,a\n,,\n  \n1,1.png,a\n,,\n")
    assert len(load(tmp_path / "table.csv", test_fraction=0).splits["train"]) == 2


def test_a_few_labels_that_are_no_numbers_are_told_and_named(tmp_path):
    rows = [[number, label] for number, label in enumerate([*([3, 11] * 10), "1l"])]
    path = write_table(tmp_path, rows, ["f", "label"])
    with pytest.warns(
        OddLabelsWarning, match=r"1 of 21 rows have a label that .*, such as '1l' in line 22; so all are"
    ):
        assert load(path, features=("f",), test_fraction=0).class_names == {0: "11", 1: "1l", 2: "3"}
    path = write_table(tmp_path, [[0, "a1"], [1, "17"], [2, "a1"]], ["f", "label"])
    assert len(load(path, features=("f",), test_fraction=0).class_names) == 2


def test_a_split_by_a_short_name_is_told_the_whole_one(tmp_path, rows):
    rows[0][2] = "val"
    with pytest.raises(DataError, match=r"line 2: 'val'; did you mean 'validation'\?"):
        load(write_table(tmp_path, rows))


def test_paths_of_another_system_are_told(tmp_path, rows):
    rows[0][0] = "pictures\\0.png"
    with pytest.raises(DataError, match=r"line 2: .*0\.png \(folders are parted by /\)"):
        load(write_table(tmp_path, rows))


def test_pictures_may_stay_in_their_files(tmp_path, rows):
    path = write_table(tmp_path, rows)
    memory, files = (load(path, keep=keep, size=(5, 5), color="gray") for keep in ("memory", "files"))
    assert isinstance(files.splits["test"].inputs, ImageFiles)
    np.testing.assert_array_equal(files.splits["test"].read(), memory.splits["test"].inputs)


def test_arrays_are_examples_too(tmp_path):
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(8, 3, 2))
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", array)
    path = write_table(tmp_path, [[f"{i}.npy", i % 2] for i in range(8)], HEADINGS[:2])
    memory, files = (load(path, keep=keep, test_fraction=0).splits["train"] for keep in ("auto", "files"))
    np.testing.assert_array_equal(memory.inputs, arrays)
    assert isinstance(files.inputs, ArrayFiles)
    assert files.example_shape == (3, 2)
    np.testing.assert_array_equal(files[np.array([5, 1])].read(), arrays[[5, 1]])


def test_columns_of_numbers_are_examples_too(tmp_path):
    path = write_table(tmp_path, [[0.5, "-1e2", "a"], [1, 2, "b"], [3, 4, "a"]], ["f1", "f2", "label"])
    train = load(path, features=("f2", "f1"), test_fraction=0).splits["train"]
    np.testing.assert_array_equal(train.inputs, np.float32([[-100, 0.5], [2, 1], [4, 3]]))
    assert train.inputs.dtype == np.float32
    assert train.labels.tolist() == [0, 1, 0]


def test_files_and_numbers_are_several_inputs(tmp_path):
    rows = []
    for number in range(4):
        picture(tmp_path / f"{number}.png", (number, 0, 0))
        np.save(tmp_path / f"{number}.npy", np.full(5, number, np.float32))
        rows.append([f"{number}.png", f"{number}.npy", number / 2, number % 2])
    path = write_table(tmp_path, rows, ["photo", "sound", "age", "label"])
    inputs = {"image": "photo", "audio": "sound", "table": ("age",)}
    train = load(path, inputs=inputs, test_fraction=0, keep="files").splits["train"]
    assert isinstance(train.inputs, Columns)
    assert train.example_shape == {"image": (4, 6, 3), "audio": (5,), "table": (1,)}
    batch = train.read(np.array([3, 1]))
    assert batch["image"][:, 0, 0, 0].tolist() == [3, 1]
    assert batch["audio"][:, 0].tolist() == [3, 1]
    assert batch["table"].tolist() == [[1.5], [0.5]]


def test_a_row_that_lacks_one_of_its_files_is_left_out_whole(tmp_path):
    rows = []
    for number in range(6):
        picture(tmp_path / f"{number}.png", (number, 0, 0))
        np.save(tmp_path / f"{number}.npy", np.full(5, number, np.float32))
        rows.append([f"{number}.png", f"{number}.npy", number % 2])
    (tmp_path / "1.png").write_bytes(b"broken")
    (tmp_path / "4.npy").write_bytes(b"broken")
    path = write_table(tmp_path, rows, ["photo", "sound", "label"])
    inputs = {"image": "photo", "audio": "sound"}
    with pytest.warns(UnreadableExampleWarning, match=r"2 of 6 files .*\n .*1\.png.*\n .*4\.npy"):
        train = load(path, inputs=inputs, test_fraction=0, unreadable="skip").splits["train"]
    batch = train.read()
    assert batch["image"][:, 0, 0, 0].tolist() == batch["audio"][:, 0].tolist() == [0, 2, 3, 5]
    assert train.labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(DataError, match=r"1\.png cannot be read"):
        load(path, inputs=inputs)


def test_missing_columns_are_named_with_the_nearest_and_all_that_are_there(tmp_path, rows):
    path = write_table(tmp_path, rows, ["paht", "label", "split", "category"])
    with pytest.raises(
        DataError,
        match=r"table\.csv has no column 'path', as path_column names it; did you mean 'paht'\?\n"
        r"columns, by the first line: paht, label, split, category$",
    ):
        load(path)
    with pytest.raises(DataError, match=r"has no column 'f9'"):
        load(path, features=("f9",))
    with pytest.raises(DataError, match=r"has no column 'kind'"):
        load(write_table(tmp_path, rows), category_column="kind")


def test_empty_fields_are_counted_and_named_by_line(tmp_path, rows):
    for row in (rows[2], rows[5]):
        row[1] = " "
    with pytest.raises(DataError, match=r"2 of 12 rows have no label:\n  line 4\n  line 7$"):
        load(write_table(tmp_path, rows))


def test_unknown_splits_are_counted_with_the_nearest_name(tmp_path, rows):
    rows[0][2] = "trian"
    rows[6][2] = "holdout"
    with pytest.raises(
        DataError,
        match=r"2 of 12 rows have a split that is not one of train, validation, test:\n"
        r"  line 2: 'trian'; did you mean 'train'\?\n  line 8: 'holdout'",
    ):
        load(write_table(tmp_path, rows))


def test_a_table_without_a_row_to_train_on_is_refused(tmp_path, rows):
    with pytest.raises(DataError, match="has no row whose split is train"):
        load(write_table(tmp_path, [[*row[:2], "test", row[3]] for row in rows]))


def test_missing_files_are_counted_and_the_first_named(tmp_path, rows):
    for number in range(7):
        (tmp_path / "pictures" / f"{number}.png").unlink()
    with pytest.raises(DataError, match=r"7 of 12 rows have a path that is missing:\n  line 2: .*0\.png") as caught:
        load(write_table(tmp_path, rows))
    assert str(caught.value).count("line ") == 5
    assert str(caught.value).endswith("and 2 more")


def test_duplicates_are_refused_with_the_line_of_the_first(tmp_path, rows):
    rows[7][0] = rows[1][0]
    with pytest.raises(
        DataError, match=r"1 of 12 rows name the files of an earlier row:\n  line 9: .*1\.png, as in line 3"
    ):
        load(write_table(tmp_path, rows))


def test_a_class_whose_files_are_all_damaged_is_refused(tmp_path, rows):
    for number in range(4):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(b"broken")
    for keep in ("memory", "files"):
        with pytest.raises(DataError, match="1 of 3 classes have no file that can be read: cat"):
            load(write_table(tmp_path, rows), unreadable="skip", keep=keep)


def test_shapes_that_differ_name_both_files(tmp_path, rows):
    picture(tmp_path / "pictures" / "5.png", (0, 0, 0), (9, 9))
    for keep in ("memory", "files"):
        with pytest.raises(DataError, match=r"5\.png has 9 x 9 pixels, .*0\.png has 4 x 6\nset size"):
            load(write_table(tmp_path, rows), keep=keep)
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.save(tmp_path / "b.npy", np.zeros(4))
    with pytest.raises(DataError, match=r"b\.npy holds float64 of shape \(4,\), .*a\.npy float64 of shape \(3,\)"):
        load(write_table(tmp_path, [["a.npy", 0], ["b.npy", 0]], HEADINGS[:2]))


def test_pictures_and_arrays_are_not_mixed(tmp_path, rows):
    np.save(tmp_path / "a.npy", np.zeros(3))
    rows[3][0] = "a.npy"
    with pytest.raises(DataError, match=r"1 of 12 rows have a path of another kind; .*\n  line 5: a\.npy"):
        load(write_table(tmp_path, rows))


def test_arrays_with_nan_or_objects_are_refused(tmp_path):
    path = write_table(tmp_path, [["a.npy", 0], ["b.npy", 0]], HEADINGS[:2])
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.save(tmp_path / "b.npy", np.array([0, np.nan, 0]))
    with pytest.raises(DataError, match=r"b\.npy holds NaN or infinity"):
        load(path)
    np.save(tmp_path / "b.npy", np.array([None, 1, 2]), allow_pickle=True)
    with pytest.raises(DataError, match=r"b\.npy cannot be read"):
        load(path)
    np.save(tmp_path / "b.npy", np.array(["x", "y", "z"]))
    with pytest.raises(DataError, match=r"b\.npy must hold numbers, not <U1"):
        load(path)


def test_an_archive_under_the_name_of_an_array_and_empty_arrays_are_refused(tmp_path):
    path = write_table(tmp_path, [["a.npy", 0], ["b.npy", 0]], HEADINGS[:2])
    np.save(tmp_path / "a.npy", np.zeros(3))
    with (tmp_path / "b.npy").open("wb") as stream:
        np.savez(stream, np.zeros(3))
    with pytest.raises(DataError, match=r"b\.npy cannot be read: it is a \.npz file, of several arrays"):
        load(path)
    for empty in (np.float32(1), np.zeros((0, 3))):
        np.save(tmp_path / "a.npy", empty)
        with pytest.raises(
            DataError, match=r"a\.npy holds an array of shape \(.*\); an example has at least one number"
        ):
            load(path)


def test_a_truncated_array_is_found_while_loading(tmp_path):
    path = write_table(tmp_path, [["a.npy", 0], ["b.npy", 0]], HEADINGS[:2])
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.zeros(300))
    whole = (tmp_path / "b.npy").read_bytes()
    for length in (0, 5, 60, 130, len(whole) - 1):
        (tmp_path / "b.npy").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"b\.npy cannot be read"):
            load(path, keep="files")


@pytest.mark.parametrize("text", ["x", "nan", "inf", "1e999", "1,5"])
def test_numbers_that_are_none_are_counted_and_named(tmp_path, text):
    path = write_table(tmp_path, [[1, "a"], [text, "b"]], ["f", "label"])
    with pytest.raises(
        DataError, match=rf"1 of 2 rows have a f that is no finite number, such as 1\.5:\n  line 3: '{text}'"
    ):
        load(path, features=("f",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"path,label\n", "has no row below its headings"),
        (b"path,label,label\na,b,c\n", "headings that come twice: 'label'"),
        (b"path,\na,b\n", "no column 'label', as label_column names it\ncolumns, by the first line: path$"),
        (b"file;label\na;b\n", 'no column .path., .*\n  and no column .label.,.*\n.*\nset delimiter = ";" if'),
        (b"file\tkind\na\tb\n", r'set delimiter = "\\t" if that is between the fields$'),
        (b"Path,label\na,b\n", r"no column 'path', as path_column names it; did you mean 'Path'\?"),
        (b"path,label\na,b,c\nd,e\nf\n", "2 of 3 rows have not 2 fields, as there are headings:\n  line 2: 3 fields"),
        (b"path,label\na,b\n\xff\xfe,b\n", "is no text in UTF-8, by byte 0xff in line 3; save it as UTF-8"),
        (b'path,label\na,b\n"c,d\n', "the row after line 2: a quotation mark is opened and not closed"),
        (b"path,label\na," + b"b" * 2**18, r"the row after line 1: field larger than field limit"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, message):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "table.csv")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv is missing"):
        load(tmp_path / "none.csv")


def test_settings_that_contradict_are_refused():
    with pytest.raises(ValueError, match="features is the only input"):
        CsvTable("x", features=("a",), inputs={"b": "c"})
    for delimiter in (";;", '"', "\n"):
        with pytest.raises(ValueError, match="delimiter must be one character"):
            CsvTable("x", delimiter=delimiter)
    with pytest.raises(ValueError, match=r"inputs\.b names no column"):
        CsvTable("x", inputs={"b": ()})


def test_the_settings_survive_a_config():
    dataset = CsvTable("x", inputs={"image": "photo", "table": ("age", "height")}, size=(8, 9))
    assert build("dataset", to_config(dataset)) == dataset
