"""Files as inputs of a model: images of any size, and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from simplug.kernel.errors import DataError


@attrs.frozen(eq=False)
class Inputs:
    """Examples read from files.

    Attributes:
        names: Where each example came from: the file, with the row for an array of several.
        examples: (n, ...) inputs of the model's shape.
    """

    names: list[str]
    examples: np.ndarray


def read_inputs(files: Sequence[Path], shape: tuple[int, ...]) -> Inputs:
    """Read images, resized and converted to `shape`, and ``.npy`` arrays of one example or several.

    Args:
        files: The files.
        shape: The shape of one input: (height, width, 1 or 3) for images.

    Raises:
        DataError: A file is missing, cannot be read, or does not fit; nothing is returned for the others either.
    """
    names: list[str] = []
    parts: list[np.ndarray] = []
    for file in files:
        if not file.is_file():
            raise DataError(f"{file}: there is no such file")
        examples = _array(file, shape) if file.suffix == ".npy" else _image(file, shape)[np.newaxis]
        several = len(examples) > 1
        names += [f"{file}[{row}]" if several else str(file) for row in range(len(examples))]
        parts.append(examples)
    return Inputs(names, np.concatenate(parts))


def _array(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as cause:
        raise DataError(f"{file} cannot be read as an array: {cause}") from cause
    if array.shape == tuple(shape):
        array = array[np.newaxis]
    if array.shape[1:] != tuple(shape) or not len(array):
        raise DataError(f"{file} holds an array of shape {array.shape}; an input of the model has shape {tuple(shape)}")
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise DataError(f"{file} holds {array.dtype}; an input of the model is numbers")
    return np.asarray(array, dtype=np.float32)


def _image(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    if len(shape) != 3 or shape[2] not in (1, 3):
        raise DataError(f"{file}: this model takes inputs of shape {tuple(shape)}, not images; give it a .npy file")
    height, width, channels = shape
    try:
        with Image.open(file) as opened:
            picture = opened.convert("L" if channels == 1 else "RGB")
            if picture.size != (width, height):
                picture = picture.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(picture, dtype=np.float32).reshape(height, width, channels)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as cause:
        raise DataError(f"{file} cannot be read as an image: {cause}") from cause
