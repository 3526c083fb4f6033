"""What the frozen part of a model makes of a split: computed once, kept, and trained on.

A model whose trunk is frozen computes the same features in every epoch. Split it, run the trunk once, and train the
head on what came out::

    encoder = simplug.backbones.build("resnet50", weights="resnet50.weights.h5", freeze=["trunk"]).build((224, 224, 3))
    trunk, head = split_frozen(encoder)
    features = cached_features(trunk, data.splits["train"], "cache")
    model = simplug.SimilarityModel(head.inputs, head.outputs)
    model.compile("adam", "multi_similarity")
    model.fit(features.inputs, features.labels, batch_size=128, epochs=20)
    whole = simplug.SimilarityModel(encoder.inputs, encoder.outputs)  # shares the layers that were trained

Examples that are turned or cropped anew in every epoch have new features each time, and cannot be trained on in this
way.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from simplug.api import DataError, Inputs, InvalidInputError, Split
from simplug.kernel.artifacts import read_manifest, staged_folder, write_manifest
from simplug.kernel.errors import ArtifactError
from simplug.learn.fingerprint import fingerprint

FEATURES_FILE = "features.npy"

_ARTIFACT = "features"


def split_frozen(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Cut a model in front of its first layer that is trained.

    Args:
        model: A functional model, such as a backbone builds, whose first layers are frozen.

    Returns:
        The frozen part, from the inputs to features, and the part that is trained, from features to the outputs. Both
        share their layers with `model`: to train the head is to train `model`.

    Raises:
        InvalidInputError: Nothing in front is frozen, nothing is trained, or what is trained needs more than the
            features of one layer.
    """
    trained = [layer for layer in model.layers if layer.trainable_weights]
    if not trained:
        raise InvalidInputError(f"'{model.name}' has no layer that is trained")
    # A model inside of a model gives the input of its own graph by that name; as a layer it has one in this graph.
    cut = keras.layers.Layer.input.fget(trained[0])
    if not isinstance(cut, keras.KerasTensor) or any(cut is tensor for tensor in model.inputs):
        raise InvalidInputError(
            f"'{model.name}' has no frozen part in front of '{trained[0].name}', its first layer that is trained; "
            "freeze all of the trunk, as by freeze=['trunk']"
        )
    try:
        head = keras.Model(cut, model.output, name=f"{model.name}_head")
    except ValueError as cause:
        raise InvalidInputError(
            f"what is trained in '{model.name}' needs more than the input of '{trained[0].name}', its first layer that "
            "is trained; it cannot be cut there"
        ) from cause
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    return keras.Model(inputs, cut, name=f"{model.name}_trunk"), head


def cached_features(
    trunk: keras.Model,
    split: Split,
    folder: str | os.PathLike[str] | None = None,
    *,
    dtype: Literal["float32", "float16"] = "float32",
    batch_size: int = 256,
) -> Split:
    """Return a split with the features of its examples in their place; labels and groups stay.

    In a folder, features are kept under a key made of the weights and the layers of the trunk, of every example and of
    `dtype`: what was computed for another model or other data is never taken. To make the key, examples that are read
    from files are read once.

    Args:
        trunk: The model that gives the features, run as in use and not as in training.
        split: (n, ...) examples, with labels.
        folder: Where features are kept, and memory-mapped from; None keeps them in memory, for this process alone.
        dtype: float16 halves their size, with about three digits.
        batch_size: Examples run at once.

    Returns:
        A split whose inputs are an array (n, ...) of `dtype`.

    Raises:
        DataError: A feature is not finite or too large for `dtype`, or an example cannot be read.
        InvalidInputError: `dtype` is neither of the two, or the trunk has several outputs.
        ArtifactError: The folder cannot be written.
    """
    if dtype not in ("float32", "float16"):
        raise InvalidInputError(f"features are kept as float32 or float16, not {dtype!r}")
    if len(trunk.outputs) != 1:
        raise InvalidInputError(f"a trunk has one output; '{trunk.name}' has {len(trunk.outputs)}")
    if folder is None:
        features = np.empty((len(split), *_shape(trunk, split)), dtype=dtype)
        _fill(features, trunk, split, batch_size)
        return Split(features, split.labels, split.groups)
    place = Path(folder) / _key(trunk, split, dtype, batch_size)
    if not _is_whole(place):
        _write(place, trunk, split, dtype, batch_size)
    mapped = np.load(place / FEATURES_FILE, mmap_mode="r", allow_pickle=False)
    return Split(np.asarray(mapped), split.labels, split.groups)


def _is_whole(place: Path) -> bool:
    if not place.exists():
        return False
    try:
        read_manifest(place, _ARTIFACT)
    except ArtifactError as damage:
        warnings.warn(f"features are computed anew: {damage}", RuntimeWarning, stacklevel=3)
        return False
    return True


def _write(place: Path, trunk: keras.Model, split: Split, dtype: str, batch_size: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with staged_folder(place, overwrite=True) as staging:
        shape = (len(split), *_shape(trunk, split))
        mapped = np.lib.format.open_memmap(staging / FEATURES_FILE, mode="w+", dtype=np.dtype(dtype), shape=shape)
        _fill(mapped, trunk, split, batch_size)
        mapped.flush()
        write_manifest(staging, _ARTIFACT, {"trunk": trunk.name, "shape": list(shape), "dtype": dtype}, {})


def _shape(trunk: keras.Model, split: Split) -> tuple[int, ...]:
    """Return the shape of the features of one example; where the trunk leaves sizes open, one example shows them."""
    shape = tuple(trunk.outputs[0].shape)[1:]
    if None not in shape:
        return shape
    return tuple(np.shape(trunk.predict_on_batch(split.read(np.arange(1)))))[1:]


def _fill(features: np.ndarray, trunk: keras.Model, split: Split, batch_size: int) -> None:
    with np.errstate(over="ignore"):
        for start, inputs in _batches(split, batch_size):
            values = np.asarray(trunk.predict_on_batch(inputs)).astype(features.dtype)
            finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
            if not finite.all():
                row = start + int(np.argmin(finite))
                raise DataError(f"the features of example {row} are not finite in {features.dtype}")
            features[start : start + len(values)] = values


def _batches(split: Split, batch_size: int) -> Iterator[tuple[int, Inputs]]:
    for start in range(0, len(split), batch_size):
        yield start, split.read(np.arange(start, min(start + batch_size, len(split))))


def _key(trunk: keras.Model, split: Split, dtype: str, batch_size: int) -> str:
    columns: dict[str, Any] = {}
    for _, inputs in _batches(split, batch_size):
        for name, values in sorted((inputs if isinstance(inputs, dict) else {"": inputs}).items()):
            if name not in columns:
                columns[name] = hashlib.sha256(f"{name} {values.dtype.name} {values.shape[1:]}\n".encode())
            columns[name].update(np.ascontiguousarray(values).reshape(-1).view(np.uint8))
    data = " ".join(column.hexdigest() for column in columns.values())
    text = f"{fingerprint(trunk.weights)} {_architecture(trunk)} {dtype} {data}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _architecture(model: keras.Model) -> str:
    """Return the layers and connections of a model as text, in which names that Keras counts up make no difference."""
    names: dict[str, str] = {}
    _number(model, names)
    return json.dumps(_renamed(model.get_config(), names), sort_keys=True, default=str)


def _number(model: keras.Model, names: dict[str, str]) -> None:
    names.setdefault(model.name, f"layer {len(names)}")
    for operation in model.operations:
        if hasattr(operation, "operations"):
            _number(operation, names)
        else:
            names.setdefault(operation.name, f"layer {len(names)}")


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {str(key): _renamed(one, names) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value
