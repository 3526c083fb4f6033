"""Examples from sharded TFRecord files, read by their place."""

from __future__ import annotations

import glob
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, Examples, InvalidInputError, Split, option
from simplug_datasets.image_files import for_each
from simplug_datasets.nearest import did_you_mean
from simplug_datasets.pictures import PictureForm, UnreadablePictureError
from simplug_datasets.record_file import UnreadableRecordError, read_record
from simplug_datasets.record_index import Found, IndexRecipe, open_index
from simplug_datasets.tf_example import Values, features_of, values_of
from simplug_datasets.unreadable import Unreadable

_WHO = "dataset tfrecord"
_DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64")


@attrs.frozen
class TfRecord(Dataset):
    """Examples from TFRecord files of ``tf.train.Example``, in any order inside a file, read when they are asked for.

    The records are gone through once, to find where each lies and of which class it is. This index is kept in a hidden
    folder beside the files, or in `cache`, and is made again when the options or the files (their names, sizes and
    times) have changed. It is mapped into memory, so what a process holds does not grow with the number of records.
    TensorFlow is not needed.

    Examples stand by class, and of a class in the order of the files. Labels and categories are whole numbers, which
    stay what they are, or texts, which are numbered from 0 in sorted order and kept as the names of the classes and of
    the groups. Without `test_path`, the same share of each class is held out.

    Images become uint8 (height, width, channels). Files that are packed with gzip are refused: their records cannot be
    read out of order.
    """

    path: str = option(doc="the files to train on: a file, a folder of files with .tfrec in their names, or a pattern")
    test_path: str | None = option(None, doc="the files to test on, likewise; none: a share of each class is held out")
    example_key: str = option("image", doc="the feature that is the example")
    label_key: str = option("label", doc="the feature that is the label: a whole number from 0 on, or a text")
    category_key: str | None = option(None, doc="the feature that is the category; none: no groups")
    encoding: Literal["image", "raw", "numbers"] = option(
        "image",
        choices=("image", "raw", "numbers"),
        doc="what the feature holds: 'image': a picture file; 'raw': the bytes of an array; 'numbers': a list of them",
    )
    size: tuple[int, int] | None = option(
        None, ge=1, doc="height and width in pixels that images are brought to; none: all must have one size already"
    )
    color: Literal["gray", "rgb"] = option("rgb", choices=("gray", "rgb"), doc="'gray': 1 channel, 'rgb': 3 channels")
    shape: tuple[int, ...] = option((), ge=1, doc="the shape of an example that is no image")
    dtype: str | None = option(
        None, choices=_DTYPES, doc="the type of an example that is no image; none: uint8 if raw, float32 if numbers"
    )
    checksums: bool = option(True, doc="whether the checksum of each record is compared, at first and when it is read")
    unreadable: Literal["error", "skip"] = option(
        "error",
        choices=("error", "skip"),
        doc="what a record that cannot be read is: an error, or left out with a warning",
    )
    cache: str | None = option(None, doc="the folder that keeps the index; none: beside the files")
    test_fraction: float = option(
        0.25, ge=0, lt=1, doc="the share of each class that is held out if there is no test_path; 0: none"
    )
    seed: int = option(0, ge=0, doc="the same seed holds out the same records")

    def __attrs_post_init__(self) -> None:
        if self.encoding != "image" and not self.shape:
            raise InvalidInputError(f"shape must be set when encoding is '{self.encoding}'")
        if self.encoding == "image" and self.dtype is not None:
            raise InvalidInputError("dtype is for examples that are no images; images are uint8")

    def load(self) -> Data:
        """Open the index, or make it; examples are read later.

        Raises:
            DataError: A file is missing, damaged or no TFRecord file, a feature is missing or unusable, shapes differ,
                or the index cannot be written; the message names the file and the byte.
        """
        shards = {"train": _shards(self.path)}
        if self.test_path is not None:
            shards["test"] = _shards(self.test_path)
            twice = set(shards["train"]) & set(shards["test"])
            if twice:
                raise DataError(f"{_WHO}: {min(twice)} is in both path and test_path")
        folder = shards["train"][0].parent if self.cache is None else Path(self.cache).expanduser()
        unreadable = Unreadable(_WHO, "records", self.unreadable)
        form = self._form()
        recipe = IndexRecipe(
            who=_WHO,
            shards=shards,
            options=self._options(),
            examine=_Examiner(self, form).examine,
            checksums=self.checksums,
            test_fraction=self.test_fraction if self.test_path is None else 0,
            seed=self.seed,
        )
        index = open_index(recipe, folder, unreadable)
        unreadable.warn(index.total, stacklevel=2)
        paths = np.array([str(path) for split in shards.values() for path in split], dtype=object)
        places = index.splits["train"].places
        first = RecordExamples(places, paths, self.example_key, form, (), self.checksums).first()
        splits = {}
        for name, split in index.splits.items():
            examples = RecordExamples(split.places, paths, self.example_key, form, first.shape, self.checksums)
            splits[name] = Split(examples, split.labels, split.groups)
        return Data(splits, index.class_names, index.group_names)

    def _form(self) -> RecordForm:
        default = "float32" if self.encoding == "numbers" else "uint8"
        dtype = np.dtype(self.dtype or default).newbyteorder("<")
        return RecordForm(self.encoding, PictureForm(self.size, self.color), self.shape, dtype)

    def _options(self) -> dict[str, object]:
        """Return the settings that decide what is found in the files."""
        names = (
            "example_key",
            "label_key",
            "category_key",
            "encoding",
            "size",
            "color",
            "shape",
            "dtype",
            "unreadable",
        )
        return {name: getattr(self, name) for name in names}


@attrs.frozen(eq=False)
class RecordForm:
    """What the feature that is the example holds, and what it is brought to.

    Attributes:
        encoding: ``image``, ``raw`` or ``numbers``.
        picture: The form of images.
        shape: The shape of other examples.
        dtype: The type of the examples; of raw ones, as it is in the file.
    """

    encoding: Literal["image", "raw", "numbers"]
    picture: PictureForm
    shape: tuple[int, ...]
    dtype: np.dtype

    def check(self, feature: bytes) -> tuple[int, ...]:
        """Return the shape of the example, having made sure that it can be decoded.

        Raises:
            UnreadableRecordError: It cannot.
        """
        if self.encoding != "image":
            return self.decode(feature).shape
        try:
            return self.picture.check(_one_text(feature))
        except UnreadablePictureError as error:
            raise UnreadableRecordError(str(error)) from error

    def decode(self, feature: bytes) -> np.ndarray:
        """Return the example.

        Raises:
            UnreadableRecordError: The feature holds something else.
        """
        if self.encoding == "image":
            try:
                return self.picture.decode(_one_text(feature))
            except UnreadablePictureError as error:
                raise UnreadableRecordError(str(error)) from error
        size = math.prod(self.shape)
        if self.encoding == "raw":
            content = _one_text(feature)
            if len(content) != size * self.dtype.itemsize:
                expected = f"{self.dtype.name} of shape {self.shape} has {size * self.dtype.itemsize}"
                raise UnreadableRecordError(f"it holds {len(content)} bytes; {expected}")
            array = np.frombuffer(content, dtype=self.dtype).reshape(self.shape)
        else:
            values = _values(feature)
            if not isinstance(values, np.ndarray) or len(values) != size:
                found = f"{len(values)} {'numbers' if isinstance(values, np.ndarray) else 'texts'}"
                raise UnreadableRecordError(f"it holds {found}; shape {self.shape} has {size}")
            array = values.reshape(self.shape).astype(self.dtype)
        if self.dtype.kind == "f" and not np.isfinite(array).all():
            raise UnreadableRecordError("it holds NaN or infinity")
        return array


@attrs.frozen(eq=False)
class RecordExamples(Examples):
    """Examples that are read from TFRecord files by their place.

    Attributes:
        places: (n,) of type :data:`simplug_datasets.record_index.PLACE`, which may be a mapped file.
        paths: The files by number.
        key: The feature that is the example.
        form: What it is brought to.
        shape: The shape that every example then has.
        checksums: Whether the checksum of each record is compared.
    """

    places: np.ndarray
    paths: np.ndarray
    key: str
    form: RecordForm
    shape: tuple[int, ...]
    checksums: bool

    def __len__(self) -> int:
        return len(self.places)

    @property
    def example_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.shape

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the examples at (b,) positions, (b, ...).

        Raises:
            DataError: A record is missing or damaged; the message names its file and its first byte.
        """
        places = self.places[rows].tolist()
        examples = np.empty((len(places), *self.shape), dtype=self.form.dtype.newbyteorder("="))

        def place(number: int) -> None:
            examples[number] = self._decoded(*places[number])

        if self.form.encoding == "image":
            for_each(place, range(len(places)))
        else:  # Parsing holds Python's lock.
            for number in range(len(places)):
                place(number)
        return examples

    def take(self, rows: np.ndarray) -> RecordExamples:
        """Return the examples at (m,) positions, still in their files; 16 bytes of memory each."""
        return attrs.evolve(self, places=self.places[rows])

    def first(self) -> np.ndarray:
        """Return the first example.

        Raises:
            DataError: Its record is missing or damaged.
        """
        return self._decoded(*self.places[0].tolist())

    def _decoded(self, shard: int, length: int, offset: int) -> np.ndarray:
        path = self.paths[shard]
        try:
            data = read_record(path, offset, length, checksums=self.checksums)
            example = self.form.decode(_feature(_features(data), self.key))
        except UnreadableRecordError as error:
            raise DataError(f"{_WHO}: {path}, record at byte {offset}, cannot be read: {error}") from error
        if self.shape and example.shape != self.shape:
            raise DataError(
                f"{_WHO}: {path}, record at byte {offset}, is of shape {example.shape}, others of {self.shape}"
            )
        return example


class _Examiner:
    """Looks at each record while the index is made."""

    def __init__(self, dataset: TfRecord, form: RecordForm) -> None:
        self._dataset = dataset
        self._form = form
        self._first: tuple[str, tuple[int, ...]] | None = None

    def examine(self, data: bytes, where: str) -> Found:
        """Return the label and the category of a record that lies at a place.

        Raises:
            UnreadableRecordError: It lacks a feature, or holds something else than it should.
            DataError: Its example is of another shape than those before.
        """
        features = _features(data)
        label = _label(_feature(features, self._dataset.label_key), "label")
        key = self._dataset.category_key
        group = None if key is None else _label(_feature(features, key), "category")
        shape = self._form.check(_feature(features, self._dataset.example_key))
        first, expected = self._first = self._first or (where, shape)
        if shape != expected:
            raise DataError(
                f"{_WHO}: {where}, has {shape[0]} x {shape[1]} pixels; {first}, has {expected[0]} x {expected[1]}\n"
                "set size = [height, width] to bring all images to one size"
            )
        return Found(label, group)


def _shards(pattern: str) -> list[Path]:
    """Return the files that a path or a pattern names, sorted."""
    path = Path(pattern).expanduser()
    if path.is_dir():
        found = [file for file in path.iterdir() if ".tfrec" in file.name and not file.name.startswith(".")]
    else:
        found = [path] if path.is_file() else [Path(name) for name in glob.glob(str(path))]  # noqa: PTH207
    files = sorted(file for file in found if file.is_file())
    if not files:
        raise DataError(
            f"{_WHO}: {pattern} names no file; it should be a file, a folder of files with .tfrec in their names, or a "
            "pattern, such as data/train-*.tfrecord"
        )
    return files


def _features(data: bytes) -> dict[str, bytes]:
    try:
        return features_of(data)
    except ValueError as error:
        raise UnreadableRecordError(f"it is no tf.train.Example: {error}") from error


def _feature(features: dict[str, bytes], key: str) -> bytes:
    if key not in features:
        raise UnreadableRecordError(
            f"it has no feature '{key}'{did_you_mean(key, features)}\nfeatures there: {', '.join(features) or 'none'}"
        )
    return features[key]


def _values(feature: bytes) -> Values:
    try:
        return values_of(feature)
    except ValueError as error:
        raise UnreadableRecordError(f"it is no tf.train.Example: {error}") from error


def _one_text(feature: bytes) -> bytes:
    values = _values(feature)
    if isinstance(values, np.ndarray) or len(values) != 1:
        raise UnreadableRecordError("its example should be one text of bytes")
    return values[0]


def _label(feature: bytes, what: str) -> int | bytes:
    values = _values(feature)
    if len(values) == 1 and isinstance(values, list):
        return values[0]
    if len(values) == 1 and isinstance(values, np.ndarray) and values.dtype.kind == "i" and values[0] >= 0:
        return int(values[0])
    raise UnreadableRecordError(f"its {what} should be one whole number from 0 on, or one text, not {_shown(values)}")


def _shown(values: Sequence[object] | np.ndarray) -> str:
    return f"{values[0]}" if len(values) == 1 else f"{len(values)} values"
