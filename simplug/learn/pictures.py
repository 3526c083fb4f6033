"""Pictures from examples: as bytes that can be shown, in rows of neighbours, on a sheet."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplug.kernel.errors import InvalidInputError

QUERY, RIGHT, WRONG = (140, 149, 159), (26, 127, 55), (207, 34, 46)
"""The colours of the frames of a query, of a neighbour of its class and of one of another class."""

_FRAME = 2
_GAP = 2
_LEAST_SIDE = 32
"""Smaller pictures are shown larger: so many pixels at least."""


def as_pictures(examples: Any, name: str) -> np.ndarray:
    """Return examples as (n, height, width, 3) uint8 pictures.

    Args:
        examples: (n, height, width), or with a last axis of 1 or 3 channels: uint8, or floats between 0 and 1.
        name: What they are called in a message.

    Raises:
        InvalidInputError: They have another shape, or other values.
    """
    pictures = np.asarray(examples)
    if pictures.ndim == 3:
        pictures = pictures[..., np.newaxis]
    if pictures.ndim != 4 or pictures.shape[3] not in (1, 3):
        raise InvalidInputError(
            f"{name} have shape {np.shape(examples)}; pictures are (n, height, width), with 1 or 3 channels after it"
        )
    if pictures.dtype.kind == "f" and pictures.size and 0 <= pictures.min() <= pictures.max() <= 1:
        pictures = np.round(255 * pictures.astype(np.float32)).astype(np.uint8)
    if pictures.dtype != np.uint8:
        raise InvalidInputError(
            f"{name} are {pictures.dtype}, and not all between 0 and 1; give floats between 0 and 1, or uint8"
        )
    return np.repeat(pictures, 3, axis=3) if pictures.shape[3] == 1 else pictures


def rows_of_neighbors(queries: np.ndarray, neighbors: np.ndarray, right: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Return one picture: in each row a query, and after it its neighbours, framed by whether they are right.

    Args:
        queries: (q, height, width, 3) uint8.
        neighbors: (q, k, height, width, 3) uint8, nearest first.
        right: (q, k) booleans: whether a neighbour has the query's label.
        filled: (q, k) booleans: whether there is a neighbour; other places stay empty.
    """
    frames = np.where(right[:, :, np.newaxis], np.array(RIGHT, np.uint8), np.array(WRONG, np.uint8))
    rows = []
    for row, query in enumerate(queries):
        cells = [
            _framed(picture, frame) if there else np.full_like(_framed(picture, frame), 255)
            for picture, frame, there in zip(neighbors[row], frames[row], filled[row], strict=True)
        ]
        first = _framed(query, np.array(QUERY, np.uint8))
        rows.append(np.concatenate([first, np.full_like(first[:, : 4 * _GAP], 255), *cells], axis=1))
    return np.concatenate(rows)


def sheet(pictures: np.ndarray, largest_side: int) -> tuple[np.ndarray, int, int]:
    """Return (n, height, width, 3) pictures in one square sheet, row by row, with the height and width of each on it.

    They are made smaller where the sheet would be larger than `largest_side` pixels.
    """
    from PIL import Image

    columns = int(np.ceil(np.sqrt(len(pictures))))
    height, width = pictures.shape[1:3]
    scale = min(1.0, largest_side / (columns * max(height, width)))
    height, width = max(1, int(height * scale)), max(1, int(width * scale))
    made = np.full((columns * height, columns * width, 3), 255, dtype=np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * height, place % columns * width
        if scale < 1:
            picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
        made[top : top + height, left : left + width] = picture
    return made, height, width


def _framed(picture: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Return a picture in a coloured frame, with a white gap around it."""
    times = -(-_LEAST_SIDE // min(picture.shape[:2]))
    large = picture.repeat(times, axis=0).repeat(times, axis=1)
    framed = np.empty((large.shape[0] + 2 * _FRAME, large.shape[1] + 2 * _FRAME, 3), dtype=np.uint8)
    framed[:] = color
    framed[_FRAME:-_FRAME, _FRAME:-_FRAME] = large
    return np.pad(framed, ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=255)
