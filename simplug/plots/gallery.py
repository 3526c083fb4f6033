"""Queries with their neighbours, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simplug.kernel.errors import InvalidInputError
from simplug.plots.style import INK, MUTED, PAPER, RIGHT, WRONG

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE = 0.85


def neighbor_gallery(
    images: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray,
    neighbor_images: Sequence[Sequence[np.ndarray]] | np.ndarray,
    neighbor_labels: np.ndarray,
    distances: np.ndarray,
    *,
    names: Mapping[int, str] | None = None,
) -> Figure:
    """Draw one row a query: the query, then its neighbours, nearest first.

    A neighbour of the query's class has a solid frame and a tick, another a dashed frame and a cross.

    Args:
        images: (q, height, width, 1 or 3) queries, uint8 from 0 to 255.
        labels: (q,) labels of the queries.
        neighbor_images: For each query its k neighbours, images like the queries; fewer where fewer were found.
        neighbor_labels: (q, k) labels of the neighbours, such as those of :class:`simplug.index.neighbors.Neighbors`.
        distances: (q, k) distances of the neighbours; inf for a place that is not filled.
        names: The name of each label; a label without a name is written as it is.

    Raises:
        InvalidInputError: There is no query, or the arrays do not fit together.
    """
    from matplotlib.figure import Figure

    labels, neighbor_labels, distances = (np.asarray(array) for array in (labels, neighbor_labels, distances))
    count = len(images)
    if neighbor_labels.ndim != 2 or neighbor_labels.shape != distances.shape or not count:
        raise InvalidInputError(
            f"{count} queries, neighbours' labels of shape {neighbor_labels.shape} and distances of shape "
            f"{distances.shape}; at least one query, and (q, k) twice, are expected"
        )
    if not len(labels) == len(neighbor_images) == len(neighbor_labels) == count:
        raise InvalidInputError(
            f"{count} queries, {len(labels)} labels, neighbours of {len(neighbor_images)} and their labels for "
            f"{len(neighbor_labels)}; all are as many"
        )
    columns = neighbor_labels.shape[1] + 1
    figure = Figure(figsize=(_SIDE * columns, (_SIDE + 0.2) * count), layout="constrained", facecolor=PAPER)
    grid: Any = figure.subplots(count, columns, squeeze=False)
    known = names or {}
    for row in range(count):
        label = int(labels[row])
        _show(grid[row, 0], images[row], known.get(label, str(label)), INK, "solid")
        for rank in range(columns - 1):
            axes = grid[row, rank + 1]
            if not np.isfinite(distances[row, rank]) or rank >= len(neighbor_images[row]):
                axes.set_axis_off()
                continue
            found = int(neighbor_labels[row, rank])
            right = found == label
            text = f"{'✓' if right else '✗'} {known.get(found, str(found))}  {distances[row, rank]:.2g}"
            _show(
                axes, neighbor_images[row][rank], text, RIGHT if right else WRONG, "solid" if right else (0, (3, 1.5))
            )
    return figure


def _show(axes: Axes, image: np.ndarray, text: str, color: str, line: Any) -> None:
    image = np.asarray(image)
    axes.imshow(image[:, :, 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(text, fontsize=7.5, color=MUTED, labelpad=2)
    for spine in axes.spines.values():
        spine.set(color=color, linewidth=2, linestyle=line, capstyle="butt")
