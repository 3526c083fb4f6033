"""Who was taken for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simplug.kernel.errors import InvalidInputError
from simplug.plots.style import INK, MUTED, ON_COLOR, SERIES, WIDTH, name_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNKNOWN_NAME = "unknown"

_WITH_COUNTS = 16
"""Up to so many classes, each cell has room for its count."""

_NAMED = 40
"""Up to so many classes each is named on the axes; of more, so many are, evenly spaced."""

_LONGEST = 18


def confusion_matrix(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw counts of true labels (rows) against matched labels (columns), the last column being *unknown*.

    The shade of a cell is its share of the row, so that classes with many and with few queries look alike. Readable
    up to some 200 classes, of which some are named on the axes.

    Args:
        counts: (c, c + 1) whole numbers.
        classes: The c names.

    Raises:
        InvalidInputError: The counts have another shape.
    """
    counts = np.asarray(counts)
    size = len(classes)
    if counts.shape != (size, size + 1):
        raise InvalidInputError(f"counts of shape {counts.shape} for {size} classes; ({size}, {size + 1}) is expected")
    width = float(np.clip(1.5 + 0.26 * size, WIDTH, 7))
    figure, axes = new_figure(width, width)
    axes.grid(visible=False)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(_shades(share), interpolation="nearest", aspect="auto")
    step = -(-size // _NAMED)
    rows = list(range(0, size, step))
    names = [_short(classes[row]) for row in rows]
    small = 8 if size <= _WITH_COUNTS else 6
    upright = 0 if max(map(len, names), default=0) <= 2 else 90
    axes.set_xticks([*rows, size], [*names, UNKNOWN_NAME], fontsize=small, rotation=upright)
    axes.get_xticklabels()[-1].set_rotation(90)
    axes.set_yticks(rows, names, fontsize=small)
    axes.axvline(size - 0.5, color=MUTED, linewidth=1, linestyle=(0, (3, 2)))
    name_axes(axes, "matched label", "true label")
    if size <= _WITH_COUNTS:
        for row, column in zip(*np.nonzero(counts), strict=True):
            color = ON_COLOR if share[row, column] > 0.5 else INK
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7.5, color=color)
    return figure


def _shades(share: np.ndarray) -> np.ndarray:
    """Return (r, c, 4) colours: nothing where the share is 0, and enough to be seen where it is a little more."""
    from matplotlib.colors import to_rgb

    shades = np.empty((*share.shape, 4))
    shades[..., :3] = to_rgb(SERIES[0])
    shades[..., 3] = np.where(share > 0, 0.12 + 0.88 * np.sqrt(share), 0)
    return shades


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
