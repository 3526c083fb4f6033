"""Maps of image batches: affine ones, built from turns, shifts and the like, and bent ones; interpolated bilinearly.

Coordinates are (row, column) in pixels, and the first pixel has its centre at (0, 0). A map takes a position in the
output to the position in the input that is shown there.
"""

from __future__ import annotations

import attrs
import numpy as np

# Images are warped in groups of about this many values: the working arrays then stay in the processor's cache, which
# makes a batch of 60 images of 28 x 28 pixels, or of 105 x 105, nearly twice as fast as in one go.
_VALUES_AT_ONCE = 1 << 15


@attrs.frozen(eq=False)
class Maps:
    """One affine map an image: ``input position = matrix @ output position + offset``.

    Attributes:
        matrix: (b, 2, 2) float64.
        offset: (b, 2) float64, pixels.
    """

    matrix: np.ndarray
    offset: np.ndarray

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, rows: slice) -> Maps:
        """Return the maps of some of the images."""
        return Maps(self.matrix[rows], self.offset[rows])


def maps_about_centre(
    size: tuple[int, int],
    *,
    angle: np.ndarray,
    shift: np.ndarray,
    scale: np.ndarray,
    shear: np.ndarray,
    mirrored: np.ndarray,
) -> Maps:
    """Return the maps that mirror, shear, scale and turn images about their centre, and then shift them, in this order.

    Args:
        size: Height and width of the images.
        angle: (b,) degrees; positive turns the content counter-clockwise, as :func:`numpy.rot90` does.
        shift: (b, 2) pixels, down and to the right.
        scale: (b,) factors, or (b, 2) of height and width; above 1 the content grows.
        shear: (b,) degrees; positive moves the lower half of the content to the right.
        mirrored: (b,) bool; True swaps left and right.
    """
    cosine, sine, slope = _cosine(angle), _cosine(angle - 90), np.tan(np.radians(shear))
    side = np.where(mirrored, -1.0, 1.0)
    height, width = scale.T if scale.ndim == 2 else (scale, scale)
    matrix = np.empty((len(angle), 2, 2))
    # The inverse of the steps, in the reverse order: turn back, divide by the scale, undo the shear, mirror.
    matrix[:, 0, 0] = cosine / height
    matrix[:, 0, 1] = sine / height
    matrix[:, 1, 0] = side * (-sine / width - slope * matrix[:, 0, 0])
    matrix[:, 1, 1] = side * (cosine / width - slope * matrix[:, 0, 1])
    centre = (np.array(size) - 1) / 2
    return Maps(matrix, centre - np.einsum("bij,bj->bi", matrix, centre + shift))


def warp(images: np.ndarray, maps: Maps, fill: float = 0.0, bends: np.ndarray | None = None) -> np.ndarray:
    """Return each image as its map shows it, interpolated between the four nearest pixels.

    Around an image everything is `fill`, and the outermost pixels fade into it over one pixel: this is what
    :func:`scipy.ndimage.affine_transform` does with ``order=1, mode="grid-constant"``. A position that rounding puts a
    millionth of a pixel outside so keeps its value, and a turn by 90 degrees is exact.

    Args:
        images: (b, height, width, channels), of any integer or floating-point dtype; not changed.
        maps: One map an image.
        fill: The value around the images.
        bends: (b, 2, height, width) float32 pixels that are added to the input position of each pixel of the output,
            down and to the right; None for none.

    Returns:
        An array with the shape and dtype of `images`; integers are rounded to the nearest.
    """
    warped = np.empty_like(images, order="C")
    group = max(1, _VALUES_AT_ONCE // max(1, images[0].size)) if len(images) else 1
    for start in range(0, len(images), group):
        rows = slice(start, start + group)
        values = _warp_group(images[rows], maps[rows], fill, None if bends is None else bends[rows])
        if np.issubdtype(images.dtype, np.integer):
            np.rint(values, out=values)
        warped[rows] = values
    return warped


def _warp_group(images: np.ndarray, maps: Maps, fill: float, bends: np.ndarray | None) -> np.ndarray:
    # float32 holds every pixel value up to 16 bits exactly, and its arithmetic takes half the time.
    precision = np.float32 if images.dtype.itemsize <= 2 or images.dtype == np.float32 else np.float64
    count, height, width, channels = images.shape
    padded = np.full((count, height + 2, width + 2, channels), fill, dtype=precision)
    padded[:, 1:-1, 1:-1] = images
    row, row_part = _taps(maps, 0, (height, width), precision, bends)
    column, column_part = _taps(maps, 1, (height, width), precision, bends)
    row *= width + 2
    row += column
    row += np.arange(count)[:, None, None] * ((height + 2) * (width + 2))
    pixels: np.ndarray
    if channels == 1:  # NumPy takes single numbers several times faster than rows of one number.
        pixels = padded.reshape(-1)
    else:
        pixels = padded.reshape(-1, channels)
        row_part, column_part = row_part[..., None], column_part[..., None]
    upper = _between(pixels.take(row, axis=0), pixels.take(row + 1, axis=0), column_part)
    row += width + 2
    lower = _between(pixels.take(row, axis=0), pixels.take(row + 1, axis=0), column_part)
    return _between(upper, lower, row_part).reshape(images.shape)


def _taps(
    maps: Maps, axis: int, size: tuple[int, int], precision: type, bends: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return, along one axis of the padded image, the pixel before each position and the way to the next, 0 to 1."""
    matrix, offset = maps.matrix[:, axis], maps.offset[:, axis] + 1
    down, across = np.arange(size[0]), np.arange(size[1])
    rows: np.ndarray = (matrix[:, :1] * down + offset[:, None]).astype(precision)
    columns: np.ndarray = (matrix[:, 1:] * across).astype(precision)
    position = rows[:, :, None] + columns[:, None, :]
    if bends is not None:
        position += bends[:, axis]
    np.clip(position, 0, size[axis] + 1, out=position)
    before = position.astype(np.intp)
    np.minimum(before, size[axis], out=before)
    position -= before
    return before, position


def _between(start: np.ndarray, stop: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return ``start + part * (stop - start)``, in the memory of `stop` and `start`, which are lost."""
    stop -= start
    stop *= part
    start += stop
    return start


def _cosine(degrees: np.ndarray) -> np.ndarray:
    """Return the cosine, exactly 0 and 1 where it should be at multiples of 90 degrees."""
    cosine: np.ndarray = np.cos(np.radians(degrees))
    is_right = np.mod(degrees, 90) == 0
    cosine[is_right] = np.rint(cosine[is_right])
    return cosine
