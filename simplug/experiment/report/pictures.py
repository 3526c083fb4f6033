"""Examples as small pictures that are part of the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_SIDE = 96
"""Pixels of the longer side of a picture that stands alone."""

_TILE = 40
"""Pixels of the side of a picture among very many."""


@attrs.frozen
class Sheet:
    """Many pictures in one, row by row.

    Attributes:
        url: The picture as a data URL.
        columns: How many stand in a row.
        rows: How many rows there are.
    """

    url: str
    columns: int
    rows: int


def is_image(example: Any) -> bool:
    """Say whether an example can be shown: uint8 of shape (height, width, 1 or 3)."""
    return (
        isinstance(example, np.ndarray)
        and example.dtype == np.uint8
        and example.ndim == 3
        and example.shape[2] in (1, 3)
        and min(example.shape) > 0
    )


def thumbnail(image: np.ndarray) -> str:
    """Return an image, uint8 of shape (height, width, 1 or 3), as a data URL of at most 96 pixels."""
    shown = _as_picture(image)
    shown.thumbnail((_SIDE, _SIDE))
    return _url(shown)


def sheet(images: Sequence[np.ndarray]) -> Sheet:
    """Return images, at least one, as tiles of one picture."""
    from PIL import Image

    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    side = min(_TILE, max(max(image.shape[:2]) for image in images))
    color = any(image.shape[2] == 3 for image in images)
    tiles = Image.new("RGB" if color else "L", (columns * side, rows * side))
    for place, image in enumerate(images):
        tile = _as_picture(image)
        # What is smaller than a tile is enlarged to it, so that every tile is full.
        scale = side / max(tile.size)
        tile = tile.resize(tuple(max(1, round(length * scale)) for length in tile.size))
        left, top = (place % columns) * side, (place // columns) * side
        tiles.paste(tile, (left + (side - tile.width) // 2, top + (side - tile.height) // 2))
    return Sheet(_url(tiles), columns, rows)


def _as_picture(image: np.ndarray) -> Image.Image:
    from PIL import Image

    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def _url(image: Image.Image) -> str:
    """Return the shorter of a lossless picture and, from 32 pixels on, a photograph."""
    found = {"png": _encoded(image, format="PNG", optimize=True)}
    if min(image.size) >= 32:
        found["jpeg"] = _encoded(image, format="JPEG", quality=80)
    kind, data = min(found.items(), key=lambda item: len(item[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _encoded(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()
