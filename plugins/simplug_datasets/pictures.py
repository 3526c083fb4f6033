"""A picture file to pixels of one size and one number of channels."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from simplug.api import DataError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"})
"""The endings of the picture files that are read."""

UNREAD_SUFFIXES = frozenset({".avif", ".heic", ".heif", ".jfif", ".jp2", ".pgm", ".ppm", ".svg", ".tif", ".tiff"})
"""The endings of further picture files, which are not read."""

_MODES = {"gray": "L", "rgb": "RGB"}
_UPRIGHT = 0x0112
"""The EXIF tag that says how a picture is turned; from 5 on, its sides change places."""

_TAIL = 4096
_END_OF_JPEG = b"\xff\xd9"

# Damaged files make Pillow's decoders raise all of these.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, struct.error, zlib.error)


class UnreadablePictureError(DataError):
    """A picture cannot be decoded; the text is the reason, without the name of the file."""


@attrs.frozen
class PictureForm:
    """The form that pictures are brought to.

    They are turned upright as their EXIF data say, put on white where they are transparent, and stretched to `size`,
    smoothed where they shrink.

    Attributes:
        size: Height and width in pixels; None leaves each picture as large as it is.
        color: ``gray`` has 1 channel, ``rgb`` 3.
    """

    size: tuple[int, int] | None
    color: Literal["gray", "rgb"]

    @property
    def channels(self) -> int:
        """The number of channels."""
        return 1 if self.color == "gray" else 3

    def decode(self, source: Path | bytes) -> np.ndarray:
        """Return the pixels of a picture file, or of its bytes: uint8 (height, width, channels) from 0 to 255.

        Raises:
            UnreadablePictureError: It cannot be read, or is no picture.
        """
        from PIL import Image

        try:
            with _opened(source) as opened:
                image = self._prepared(opened)
        except (*_DAMAGE, Image.DecompressionBombError) as error:
            raise UnreadablePictureError(_reason(error, source)) from error
        return np.asarray(image, dtype=np.uint8).reshape(image.height, image.width, -1)

    def check(self, source: Path | bytes) -> tuple[int, int, int]:
        """Return the shape that :meth:`decode` would give, having made sure that the file is whole.

        A PNG file has checksums, and a JPEG file has an end, which are looked at without decoding; the other formats
        have neither, and are decoded.

        Raises:
            UnreadablePictureError: It cannot be read, or is no picture.
        """
        from PIL import Image

        try:
            with _opened(source) as opened:
                if opened.format == "PNG" and self.size is not None:
                    opened.verify()
                    return (*self.size, self.channels)
                if opened.format == "JPEG" and _END_OF_JPEG in _tail(source):
                    return self._announced(opened)
        except (*_DAMAGE, Image.DecompressionBombError) as error:
            raise UnreadablePictureError(_reason(error, source)) from error
        height, width, channels = self.decode(source).shape
        return (height, width, channels)

    def _announced(self, image: Image.Image) -> tuple[int, int, int]:
        """Return the shape that a picture will have, from its header."""
        height, width = self.size or (image.height, image.width)
        if self.size is None and image.getexif().get(_UPRIGHT, 1) >= 5:
            height, width = width, height
        return (height, width, self.channels)

    def _prepared(self, image: Image.Image) -> Image.Image:
        from PIL import Image, ImageOps

        mode = _MODES[self.color]
        if self.size is not None:
            # JPEG files can be decoded at a half, a quarter or an eighth of their size, in a fraction of the time.
            twice = 2 * max(self.size)
            image.draft(mode, (twice, twice))
        upright = ImageOps.exif_transpose(image)
        converted = _eight_bits(upright).convert(mode)
        if self.size is None:
            return converted
        return converted.resize((self.size[1], self.size[0]), Image.Resampling.BILINEAR)


def _opened(source: Path | bytes) -> Image.Image:
    from PIL import Image

    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _reason(error: Exception, source: Path | bytes) -> str:
    """Return what is wrong, without the name of the file."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        is_empty = not source if isinstance(source, bytes) else not source.stat().st_size
        return "it is empty" if is_empty else "it is no picture, or a damaged one"
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _tail(source: Path | bytes) -> bytes:
    """Return the last bytes of a file."""
    if isinstance(source, bytes):
        return source[-_TAIL:]
    with source.open("rb") as stream:
        stream.seek(max(0, source.stat().st_size - _TAIL))
        return stream.read()


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image with 8 bits a channel, without transparency."""
    from PIL import Image

    if image.mode.startswith("I"):  # Pillow would cut 16 bits off at 255 instead of scaling them.
        values = np.asarray(image)
        return Image.fromarray(np.rint(values / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image
