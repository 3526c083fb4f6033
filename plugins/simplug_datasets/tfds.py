"""Data sets of TensorFlow Datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, Split, option
from simplug_datasets.labels import numbered
from simplug_datasets.nearest import did_you_mean

_WHO = "dataset tfds"


@attrs.frozen
class Tfds(Dataset):
    """A data set of TensorFlow Datasets, read into memory; needs ``pip install 'simplug[tfds]'``.

    Examples keep their type and shape; with `size`, uint8 images of 1 or 3 channels are stretched to it, smoothed where
    they shrink. Labels that are whole numbers stay what they are, with the names that the data set has for them; texts
    are numbered from 0 in sorted order, which are kept as the names of the classes. Categories, which become the groups
    of the split, are numbered and named alike, over both splits together.
    """

    dataset: str = option(doc="its name, with a version where one is wanted, such as 'oxford_iiit_pet:3.*.*'")
    train: str = option("train", doc="the split to train on, which may be a part, such as 'train[:80%]'")
    test: str | None = option("test", doc="the split to test on; none: no test split")
    example_key: str = option("image", doc="the feature that is the example")
    label_key: str = option("label", doc="the feature that is the label")
    category_key: str | None = option(None, doc="the feature that is the category; none: no groups")
    size: tuple[int, int] | None = option(
        None, ge=1, doc="height and width in pixels that images are brought to; none: all must have one size already"
    )
    data_dir: str | None = option(None, doc="the folder of prepared data sets; none: the default of the library")
    download: bool = option(True, doc="whether to download and prepare what is not there")

    def load(self) -> Data:
        """Read the splits, prepared or downloaded.

        Raises:
            DataError: TensorFlow Datasets is not installed, knows no such data set, split or feature, the download
                failed, shapes differ, or a label is neither a whole number nor a text.
        """
        columns = {"train": self._columns(self.train)}
        if self.test is not None:
            columns["test"] = self._columns(self.test)
        labels, names = _numbered_together([split["labels"] for split in columns.values()])
        names = names or self._names(self.label_key, labels)
        groups: list[np.ndarray] | list[None] = [None] * len(columns)
        group_names: dict[int, str] = {}
        if self.category_key is not None:
            groups, group_names = _numbered_together([split["categories"] for split in columns.values()])
            group_names = group_names or self._names(self.category_key, groups)
        splits = {
            name: Split(columns[name]["examples"], part, group)
            for name, part, group in zip(columns, labels, groups, strict=True)
        }
        _require_one_shape(splits)
        return Data(splits, names, group_names)

    def _columns(self, split: str) -> dict[str, Any]:
        """Return the examples of a split as an array, and its labels and categories as lists."""
        library = _library()
        try:
            data_set = library.load(self.dataset, split=split, data_dir=self.data_dir, download=self.download)
            elements = list(library.as_numpy(data_set))
        except Exception as error:  # The library raises many kinds, for names, splits, downloads and files.
            raise DataError(f"{_WHO}: {self.dataset}, split {split}: {error}") from error
        where = f"{_WHO}: {self.dataset}, split {split}"
        if not elements:
            raise DataError(f"{where}: is empty")
        columns = {"examples": self.example_key, "labels": self.label_key, "categories": self.category_key}
        wanted = {column: key for column, key in columns.items() if key is not None}
        for key in wanted.values():
            if not isinstance(elements[0], Mapping) or key not in elements[0]:
                present = list(elements[0]) if isinstance(elements[0], Mapping) else []
                raise DataError(
                    f"{where} has no feature '{key}'{did_you_mean(key, present)}\nfeatures: {', '.join(present)}"
                )
        found = {column: [element[key] for element in elements] for column, key in wanted.items()}
        return {**found, "examples": self._array(found["examples"], where)}

    def _array(self, examples: list[Any], where: str) -> np.ndarray:
        arrays = [self._resized(np.asarray(example)) for example in examples]
        first = arrays[0]
        for number, array in enumerate(arrays):
            if (array.shape, array.dtype) != (first.shape, first.dtype):
                raise DataError(
                    f"{where}: example {number} is {array.dtype} of shape {array.shape}, the first {first.dtype} of "
                    f"shape {first.shape}\nset size = [height, width] to bring images to one size"
                )
        if first.dtype.kind not in "iuf":
            raise DataError(f"{where}: '{self.example_key}' must hold numbers, not {first.dtype}")
        return np.stack(arrays)

    def _resized(self, image: np.ndarray) -> np.ndarray:
        is_image = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in (1, 3)
        if self.size is None or not is_image:
            return image
        from PIL import Image

        height, width = self.size
        pixels = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
        return np.asarray(pixels.resize((width, height), Image.Resampling.BILINEAR)).reshape(height, width, -1)

    def _names(self, key: str, numbers: Sequence[np.ndarray]) -> dict[int, str]:
        """Return the names that the data set has for the whole numbers of a feature, or none."""
        feature = _library().builder(self.dataset, data_dir=self.data_dir).info.features[key]
        names = dict(enumerate(getattr(feature, "names", None) or ()))
        return names if set().union(*(part.tolist() for part in numbers)) <= set(names) else {}


def _library() -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise DataError(
            f"{_WHO} needs tensorflow-datasets, which is not installed ({error}): pip install 'simplug[tfds]'"
        ) from error
    return tensorflow_datasets


def _numbered_together(parts: list[list[Any]]) -> tuple[list[np.ndarray], dict[int, str]]:
    """Return numbers for the labels of several splits, and the name of each number if they are texts."""
    numbers, names = numbered([_text(label) for part in parts for label in part])
    return np.split(numbers, np.cumsum([len(part) for part in parts])[:-1]), names


def _text(label: Any) -> str:
    if isinstance(label, bytes):
        return label.decode()
    if isinstance(label, str | int | np.integer):
        return str(label)
    raise DataError(f"{_WHO}: a label is a whole number or a text, not {label!r}")


def _require_one_shape(splits: Mapping[str, Split]) -> None:
    forms = {name: (split.inputs.dtype, split.inputs.shape[1:]) for name, split in splits.items()}  # type: ignore[union-attr]
    if len(set(forms.values())) > 1:
        listing = ", ".join(f"{name} {dtype} of shape {shape}" for name, (dtype, shape) in forms.items())
        raise DataError(f"{_WHO}: the splits have examples of several shapes: {listing}\nset size = [height, width]")
