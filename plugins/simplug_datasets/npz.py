"""Arrays from a NumPy ``.npz`` file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, Split, option
from simplug_datasets.labels import numbered
from simplug_datasets.nearest import did_you_mean
from simplug_datasets.places import unreadable_file
from simplug_datasets.stratified import with_held_out

_TEST_NAMES = ("x_test", "y_test")
_NAMES = ("x_train", "y_train", *_TEST_NAMES)

# What zipfile and NumPy raise for damaged bytes: among others, NotImplementedError and RuntimeError stand for a
# compression method and an encryption that the damaged header asks for, MemoryError for the size that it announces.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    MemoryError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


@attrs.frozen
class Npz(Dataset):
    """Examples and labels from the arrays of a NumPy ``.npz`` file.

    Inputs are finite numbers of any shape (n, ...); uint8 inputs of shape (n, height, width) are taken as images and
    get a channel axis. Labels are whole numbers from 0 on, of shape (n,) or (n, 1), or texts, which are numbered in
    sorted order and kept as the names of the classes. Where the file has no arrays named ``x_test`` and ``y_test``, and
    no other names are set for them, the same share of each class is held out.
    """

    path: str = option(doc="the file")
    x_train: str = option("x_train", doc="the name of the array of training inputs")
    y_train: str = option("y_train", doc="the name of the array of training labels")
    x_test: str = option("x_test", doc="the name of the array of test inputs, which may be missing under this name")
    y_test: str = option("y_test", doc="the name of the array of test labels, which may be missing under this name")
    test_fraction: float = option(
        0.25, ge=0, lt=1, doc="the share of each class that is held out if the file has no test arrays; 0: none"
    )
    seed: int = option(0, ge=0, doc="the same seed holds out the same rows")

    def load(self) -> Data:
        """Read the arrays; Python objects in the file are refused, not loaded.

        Raises:
            DataError: The file is missing, damaged or no ``.npz``, or an array is missing or unusable; the message
                names the file and the array.
        """
        path = Path(self.path).expanduser()
        try:
            file = path.open("rb")  # NumPy leaves a file open that it opened itself and could not read.
        except OSError as error:
            raise unreadable_file(path, error, "dataset npz") from error
        with file:
            try:
                archive = np.load(file, allow_pickle=False)
            except _DAMAGE as error:
                raise DataError(f"dataset npz: {path} is no .npz file, or a damaged one: {error}") from error
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"dataset npz: {path} holds a single array; save inputs and labels with numpy.savez")
            return self._data(archive, path)

    def _data(self, archive: Mapping[str, np.ndarray], path: Path) -> Data:
        inputs, labels = _pair(archive, path, self.x_train, self.y_train)
        names = (self.x_test, self.y_test)
        if names == _TEST_NAMES and not any(name in archive for name in names):
            (labels,), class_names = _numbered_together([labels])
            return with_held_out(
                Split(inputs, labels),
                test_fraction=self.test_fraction,
                seed=self.seed,
                class_names=class_names,
                source=f"dataset npz: {path}",
            )
        test_inputs, test_labels = _pair(archive, path, *names)
        if labels.dtype.kind != test_labels.dtype.kind:
            raise DataError(
                f"dataset npz: {path}: '{self.y_train}' holds {labels.dtype}, '{self.y_test}' {test_labels.dtype}; "
                "both should hold whole numbers, or both texts"
            )
        (labels, test_labels), class_names = _numbered_together([labels, test_labels])
        forms = [f"{examples.dtype} of shape {examples.shape[1:]}" for examples in (inputs, test_inputs)]
        if forms[0] != forms[1]:
            raise DataError(
                f"dataset npz: {path}: an example of '{self.x_train}' is {forms[0]}, one of '{self.x_test}' {forms[1]}"
            )
        return Data({"train": Split(inputs, labels), "test": Split(test_inputs, test_labels)}, class_names)


def _pair(
    archive: Mapping[str, np.ndarray], path: Path, inputs_name: str, labels_name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs and the labels of one split."""
    inputs, labels = _array(archive, path, inputs_name), _array(archive, path, labels_name)
    _check_inputs(inputs, f"dataset npz: {path}: array '{inputs_name}'")
    labels = _checked_labels(labels, f"dataset npz: {path}: array '{labels_name}'")
    if len(inputs) != len(labels):
        raise DataError(
            f"dataset npz: {path}: '{inputs_name}' has {len(inputs)} examples, "
            f"but '{labels_name}' has {len(labels)} labels"
        )
    is_grey = inputs.dtype == np.uint8 and inputs.ndim == 3
    return inputs[..., None] if is_grey else inputs, labels


def _array(archive: Mapping[str, np.ndarray], path: Path, name: str) -> np.ndarray:
    if name not in archive:
        raise DataError(
            f"dataset npz: {path} has no array '{name}'{did_you_mean(name, set(archive) - set(_NAMES))}\n"
            f"arrays in the file: {', '.join(archive) or 'none'}"
        )
    try:
        array = archive[name]
    except _DAMAGE as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"dataset npz: {path}: array '{name}' holds Python objects, which are not loaded from files; "
                "save it with a numeric dtype"
            ) from error
        raise DataError(f"dataset npz: {path}: array '{name}' is damaged: {error}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"dataset npz: {path}: '{name}' is no NumPy array")
    return array


def _check_inputs(inputs: np.ndarray, who: str) -> None:
    if inputs.dtype.kind not in "iuf":
        raise DataError(f"{who} must hold numbers, not {inputs.dtype}")
    if inputs.ndim < 2:
        raise DataError(f"{who} must have shape (n, ...), not {inputs.shape}")
    if not inputs.size:
        raise DataError(f"{who} is empty; its shape is {inputs.shape}")
    if inputs.dtype.kind == "f":
        bad = inputs.size - np.count_nonzero(np.isfinite(inputs))
        if bad:
            raise DataError(f"{who} has {bad} of {inputs.size} values that are NaN or infinite")


def _checked_labels(labels: np.ndarray, who: str) -> np.ndarray:
    """Return labels as (n,): int64, or texts."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        hint = "; of rows with a single 1, save the argmax" if labels.ndim == 2 else ""
        raise DataError(f"{who} must have shape (n,) or (n, 1), not {labels.shape}{hint}")
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, errors="backslashreplace")
    if labels.dtype.kind == "U":
        return labels
    if labels.dtype.kind not in "iu":
        raise DataError(f"{who} must hold whole numbers or texts as labels, not {labels.dtype}")
    outside = np.flatnonzero((labels < 0) | (labels > np.iinfo(np.int64).max))
    if outside.size:
        raise DataError(
            f"{who} has {outside.size} labels that are negative or above 2**63 - 1, such as {labels[outside[0]]}; "
            "labels count from 0"
        )
    return labels.astype(np.int64)


def _numbered_together(parts: list[np.ndarray]) -> tuple[list[np.ndarray], dict[int, str]]:
    """Return numbers for the labels of all splits, and the name of each number if they are texts."""
    if parts[0].dtype.kind != "U":
        return parts, {}
    numbers, names = numbered(np.concatenate(parts).tolist())
    return np.split(numbers, np.cumsum([len(part) for part in parts])[:-1]), names
