"""Checkpoints: what a training is made of at one moment, on the disk, whole or not at all."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import attrs
import numpy as np

from simplug.kernel.artifacts import read_manifest, staged_folder, write_manifest
from simplug.kernel.errors import ArtifactError, InvalidInputError

_ARRAYS = "arrays.npz"
_VALUES = "values.json"

State = Mapping[str, Any]
"""Arrays and plain values by name, as JSON can hold them."""


@runtime_checkable
class Resumable(Protocol):
    """A part of a training that can go on where it was."""

    def state(self) -> State:
        """Return what it needs to go on: arrays and plain values by name."""

    def restore(self, state: State) -> None:
        """Go on from what :meth:`state` returned.

        Raises:
            ArtifactError: It does not fit.
        """


@attrs.frozen
class Checkpoint:
    """A training at one moment.

    Attributes:
        epoch: The epoch that it is in, counted from 0; as many as there are when it is over.
        step: How many steps of that epoch are done.
        parts: The state of each part by its name.
        made_by: Plain values that tell what training it is of.
    """

    epoch: int
    step: int
    parts: Mapping[str, State]
    made_by: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Add a checkpoint to a folder of them; the older ones go when it is on the disk.

    Raises:
        ArtifactError: It cannot be written; the older ones are untouched.
        InvalidInputError: A state holds an array of Python objects.
    """
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, dict[str, Any]] = {}
    for part, state in checkpoint.parts.items():
        plain[part] = {name: value for name, value in state.items() if not isinstance(value, np.ndarray)}
        arrays |= {f"{part}/{name}": value for name, value in state.items() if isinstance(value, np.ndarray)}
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise InvalidInputError(f"{objects[0]} is an array of Python objects, which a checkpoint does not hold")
    place = folder / f"{checkpoint.epoch:06d}-{checkpoint.step:08d}"
    with staged_folder(place, overwrite=True) as staged:
        np.savez(staged / _ARRAYS, **arrays)  # type: ignore[arg-type]
        # A file of its own: a manifest sorts its keys, and the order of the columns of a history would be lost.
        (staged / _VALUES).write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
        values = {"epoch": checkpoint.epoch, "step": checkpoint.step, "made_by": checkpoint.made_by}
        write_manifest(staged, "checkpoint", values, {})
    for other in folder.iterdir():
        if other != place:
            shutil.rmtree(other, ignore_errors=True)


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest checkpoint of a folder; None where it has none.

    Raises:
        ArtifactError: It is damaged.
    """
    # What was being written when the process ended has another name, which begins with a dot.
    places = sorted(_places(folder))
    if not places:
        return None
    manifest = read_manifest(places[-1], "checkpoint")
    try:
        values = manifest.config
        parts: dict[str, dict[str, Any]] = json.loads((places[-1] / _VALUES).read_bytes())
        with np.load(places[-1] / _ARRAYS, allow_pickle=False) as arrays:
            for name in arrays.files:
                part, _, inside = name.partition("/")
                parts[part][inside] = arrays[name]
        return Checkpoint(int(values["epoch"]), int(values["step"]), parts, values["made_by"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as cause:
        raise ArtifactError(f"{places[-1]} is damaged: {cause}") from cause


def has_checkpoint(folder: Path) -> bool:
    """Say whether a folder holds a checkpoint; it is not read."""
    return any(_places(folder))


def arrays_of(variables: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return the values of Keras variables, by their position."""
    import keras

    return {str(at): np.array(keras.ops.convert_to_numpy(variable)) for at, variable in enumerate(variables)}


def assign(variables: Sequence[Any], arrays: State, what: str) -> None:
    """Give Keras variables the values that :func:`arrays_of` returned.

    Raises:
        ArtifactError: There are others than these, or of another shape or dtype; nothing was assigned.
    """
    forms = {str(at): (tuple(variable.shape), str(variable.dtype)) for at, variable in enumerate(variables)}
    given = {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}
    if forms != given:
        differ = [name for name in {**forms, **given} if forms.get(name) != given.get(name)]
        raise ArtifactError(
            f"the checkpoint does not fit: {len(differ)} of {len(forms)} tensors of the {what} have another shape or "
            "dtype, or are not there; it was made with other versions of simplug, Keras or a plugin"
        )
    for at, variable in enumerate(variables):
        variable.assign(arrays[str(at)])


def _places(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (place for place in folder.iterdir() if not place.name.startswith("."))
