"""Examples that a table names, one in a row."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import attrs
import numpy as np

from simplug.api import Columns, Data, DataError, Dataset, Examples, InvalidInputError, SimplugWarning, Split, option
from simplug_datasets.array_files import check_arrays
from simplug_datasets.image_files import LARGEST_IN_MEMORY, ImageLoader
from simplug_datasets.labels import is_number, numbered
from simplug_datasets.nearest import did_you_mean
from simplug_datasets.pictures import SUFFIXES, PictureForm
from simplug_datasets.stratified import with_held_out
from simplug_datasets.table import Table, read_table
from simplug_datasets.unreadable import Unreadable

_WHO = "dataset csv"
_SPLITS = ("train", "validation", "test")
_ARRAY = ".npy"
_FEW_ODD = 0.1
"""So small a share of labels that are no numbers, among numbers, looks like a mistake."""


class OddLabelsWarning(SimplugWarning):
    """A few labels are no whole numbers, and the others are."""


@attrs.frozen
class CsvTable(Dataset):
    """Examples that a CSV file names, one in a row: a file or some numbers, a label, a split and a category.

    The first line holds the headings; the file is UTF-8. An example is the file in the column ``path``, an image or an
    array in a ``.npy`` file, found from the folder of the table; or, with `features`, the float32 numbers of some
    columns. Examples of several inputs are described with `inputs`.

    Labels that are whole numbers from 0 on stay what they are; others are numbered from 0 in the order of their names,
    which are kept as the names of the classes. Categories, which become the groups of the split, are numbered and named
    alike.
    The column ``split`` holds ``train``, ``validation`` or ``test``. Without it, the same share of each class is held
    out. ``split`` and ``category`` may be missing under these names, but not under others.

    The whole table and all files are checked before anything is trained. Images become uint8 (n, height, width,
    channels) and stay in their files above 1 GiB, as described for ``image_folder``.
    """

    path: str = option(doc="the CSV file")
    path_column: str = option("path", doc="the column of files, one example each")
    label_column: str = option("label", doc="the column of labels")
    split_column: str = option("split", doc="the column of splits: train, validation or test")
    category_column: str = option("category", doc="the column of what is above the class, the groups of the split")
    features: tuple[str, ...] = option((), doc="columns of numbers, which are then the example instead of a file")
    inputs: dict[str, str | tuple[str, ...]] = option(
        attrs.Factory(dict),
        doc="for several inputs: by the name of each, a column of files or a list of columns of numbers",
    )
    delimiter: str = option(",", doc="the character between two fields")
    size: tuple[int, int] | None = option(
        None, ge=1, doc="height and width in pixels that images are brought to; none: all must have one size already"
    )
    color: Literal["gray", "rgb"] = option("rgb", choices=("gray", "rgb"), doc="'gray': 1 channel, 'rgb': 3 channels")
    keep: Literal["auto", "memory", "files"] = option(
        "auto",
        choices=("auto", "memory", "files"),
        doc="where examples are kept: in memory, or in their files, read for each batch; auto: in memory up to 1 GiB",
    )
    unreadable: Literal["error", "skip"] = option(
        "error",
        choices=("error", "skip"),
        doc="what a file that is there and cannot be read is: an error, or its row left out with a warning",
    )
    test_fraction: float = option(
        0.25, ge=0, lt=1, doc="the share of each class that is held out if there is no column of splits; 0: none"
    )
    seed: int = option(0, ge=0, doc="the same seed holds out the same rows")

    def __attrs_post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise InvalidInputError(f"delimiter must be one character between fields, not {self.delimiter!r}")
        if self.features and self.inputs:
            raise InvalidInputError("features is the only input; leave it out, or move its columns into inputs")
        empty = [name for name, columns in self.inputs.items() if not columns]
        if empty:
            raise InvalidInputError(f"inputs.{empty[0]} names no column")

    def load(self) -> Data:
        """Read and check the table and its files.

        Raises:
            DataError: The table or a file of it cannot be used; the message names lines and files.
        """
        path = Path(self.path).expanduser()
        table = read_table(path, self.delimiter, _WHO)
        has_splits, has_categories = self._has(table, "split"), self._has(table, "category")
        sources = self._sources()
        headings = {column: self._setting(column) for column in _columns(sources)} | {self.label_column: "label_column"}
        headings |= {self.split_column: "split_column"} if has_splits else {}
        table.require(headings | ({self.category_column: "category_column"} if has_categories else {}))
        if has_splits:
            _check_splits(table, self.split_column)
        files = {column: _files(table, column, path.parent) for column in sources.values() if isinstance(column, str)}
        _refuse_duplicates(table, list(files.values()))
        unreadable = Unreadable(_WHO, "files", self.unreadable)
        examples, is_read = self._examples(table, sources, files, unreadable)
        labels, names = numbered(table.columns[self.label_column])
        _warn_of_odd_labels(table, self.label_column)
        self._require_classes(table, is_read)
        groups, group_names = numbered(table.columns[self.category_column]) if has_categories else (None, {})
        unreadable.warn(len(table), stacklevel=2)
        whole = Split(examples, labels[is_read], None if groups is None else groups[is_read])
        if not has_splits:
            return with_held_out(
                whole,
                test_fraction=self.test_fraction,
                seed=self.seed,
                class_names=names,
                group_names=group_names,
                source=f"{_WHO}: {path}",
            )
        of_row = np.array(table.columns[self.split_column], dtype=object)[is_read]
        return Data({name: whole[of_row == name] for name in _SPLITS if (of_row == name).any()}, names, group_names)

    def _has(self, table: Table, role: Literal["split", "category"]) -> bool:
        """Say whether a column is to be read that may be missing if the user did not name it."""
        column = getattr(self, f"{role}_column")
        return column != role or column in table.columns

    def _setting(self, column: str) -> str:
        """Return the setting that names a column of an input."""
        return "inputs" if self.inputs else "features" if self.features else "path_column"

    def _sources(self) -> dict[str, str | tuple[str, ...]]:
        """Return the columns of each input; without names there is one, whose name is not used."""
        return self.inputs or {"": self.features or self.path_column}

    def _examples(
        self,
        table: Table,
        sources: dict[str, str | tuple[str, ...]],
        files: dict[str, list[Path]],
        unreadable: Unreadable,
    ) -> tuple[np.ndarray | Examples, np.ndarray]:
        """Return the examples of the rows whose files can all be read, and a mask of these rows."""
        total = np.ones(len(table), dtype=bool)
        parts: dict[str, tuple[np.ndarray | Examples, np.ndarray]] = {}
        for name, source in sources.items():
            if isinstance(source, str):
                parts[name] = self._loaded(files[source], unreadable)
            else:
                parts[name] = _numbers(table, source), np.ones(len(table), dtype=bool)
            total &= parts[name][1]
        # A row may lack one of its files only.
        kept = {
            name: inputs if is_read.sum() == total.sum() else _take(inputs, np.flatnonzero(total[is_read]))
            for name, (inputs, is_read) in parts.items()
        }
        return (Columns(kept) if self.inputs else kept[""]), total

    def _loaded(self, files: list[Path], unreadable: Unreadable) -> tuple[np.ndarray | Examples, np.ndarray]:
        if files[0].suffix.lower() != _ARRAY:
            form = PictureForm(self.size, self.color)
            return ImageLoader(_WHO, form, self.keep, unreadable, len(files)).load(files)
        arrays, is_read = check_arrays(files, _WHO, unreadable)
        size = len(arrays) * int(np.prod(arrays.shape, dtype=np.int64)) * arrays.dtype.itemsize
        if self.keep == "files" or (self.keep == "auto" and size > LARGEST_IN_MEMORY):
            return arrays, is_read
        return arrays.read(np.arange(len(arrays))), is_read

    def _require_classes(self, table: Table, is_read: np.ndarray) -> None:
        """Refuse a table of which a class lost all its rows."""
        labels = np.array(table.columns[self.label_column], dtype=object)
        classes = set(labels)
        lost = sorted(classes - set(labels[is_read]))
        if lost:
            named = f"{', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''}"
            raise DataError(
                f"{table.who}: {len(lost)} of {len(classes)} classes have no file that can be read: {named}"
            )


def _columns(sources: dict[str, str | tuple[str, ...]]) -> list[str]:
    groups = [(source,) if isinstance(source, str) else source for source in sources.values()]
    return list(dict.fromkeys(column for group in groups for column in group))


def _warn_of_odd_labels(table: Table, column: str) -> None:
    """Tell of a few labels that are no whole numbers, where the others are: they make all of them names."""
    texts = table.columns[column]
    odd = [row for row, text in enumerate(texts) if not is_number(text)]
    if 0 < len(odd) <= _FEW_ODD * len(texts):
        first = odd[0]
        warnings.warn(
            f"{table.who}: {len(odd)} of {len(texts)} rows have a {column} that is no whole number from 0 on, such as "
            f"'{texts[first]}' in line {table.lines[first]}; so all are taken as names, and numbered in their order",
            OddLabelsWarning,
            stacklevel=3,
        )


def _check_splits(table: Table, column: str) -> None:
    texts = table.columns[column]
    unknown = [row for row, text in enumerate(texts) if text not in _SPLITS]
    details = [f"'{texts[row]}'{did_you_mean(texts[row], _SPLITS)}" for row in unknown]
    table.refuse(unknown, f"have a {column} that is not one of {', '.join(_SPLITS)}", details)
    if "train" not in texts:
        raise DataError(f"{table.who} has no row whose {column} is train")


def _files(table: Table, column: str, folder: Path) -> list[Path]:
    """Return the file of each row, all of which are there, and are images or arrays."""
    files = [folder / Path(text).expanduser() for text in table.columns[column]]
    missing = [row for row, file in enumerate(files) if not file.is_file()]
    details = [str(files[row]) for row in missing]
    if any("\\" in text for text in details):
        details = [f"{text} (folders are parted by /)" for text in details]
    table.refuse(missing, f"have a {column} that is missing", details)
    known = SUFFIXES if files[0].suffix.lower() != _ARRAY else {_ARRAY}
    other = [row for row, file in enumerate(files) if file.suffix.lower() not in known]
    endings = f"all images ({', '.join(sorted(SUFFIXES))}) or all arrays ({_ARRAY})"
    table.refuse(other, f"have a {column} of another kind; they should be {endings}", [files[r].name for r in other])
    return files


def _refuse_duplicates(table: Table, files: Sequence[Sequence[Path]]) -> None:
    """Refuse rows with the files of an earlier row: they would be trained on twice, or be in two splits."""
    if not files:
        return
    first: dict[tuple[Path, ...], int] = {}
    again, details = [], []
    for row, key in enumerate(zip(*files, strict=True)):
        earlier = first.setdefault(key, row)
        if earlier != row:
            again.append(row)
            details.append(f"{', '.join(map(str, key))}, as in line {table.lines[earlier]}")
    table.refuse(again, "name the files of an earlier row", details)


def _numbers(table: Table, columns: Sequence[str]) -> np.ndarray:
    """Return columns of numbers, float32 (n, columns)."""
    numbers = np.empty((len(table), len(columns)), dtype=np.float32)
    for place, column in enumerate(columns):
        texts = table.columns[column]
        with np.errstate(over="ignore"):
            numbers[:, place] = [_number(text) for text in texts]
        bad = np.flatnonzero(~np.isfinite(numbers[:, place])).tolist()
        table.refuse(bad, f"have a {column} that is no finite number, such as 1.5", [repr(texts[row]) for row in bad])
    return numbers


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _take(inputs: np.ndarray | Examples, rows: np.ndarray) -> np.ndarray | Examples:
    return inputs.take(rows) if isinstance(inputs, Examples) else inputs[rows]
