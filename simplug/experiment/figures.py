"""The figures of a report, as Matplotlib figures and as pictures in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simplug.evaluation.calibration import Calibration

UNKNOWN_NAME = "unknown"


def loss_curve(history: Sequence[Mapping[str, float]]) -> Figure:
    """Draw the training loss over the epochs."""
    figure, axes = _figure(6, 3)
    axes.plot([row["epoch"] for row in history], [row["loss"] for row in history], marker="o")
    axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def calibration_curve(calibration: Calibration) -> Figure:
    """Draw each metric of a calibration over the distance, with its cut points."""
    figure, axes = _figure(6, 3)
    distances = calibration.curve["distance"]
    for name, values in calibration.curve.items():
        if name != "distance":
            axes.plot(distances, values, label=name)
    for point in calibration.cut_points.values():
        axes.axvline(point.distance, color="0.3", linestyle="--", linewidth=1)
        axes.annotate(point.name, (point.distance, 0.02), rotation=90, fontsize=8, ha="right")
    axes.set(xlabel="distance up to which a match is accepted", ylabel="score", ylim=(0, 1.02))
    axes.legend(fontsize=8, loc="lower right")
    return figure


def confusion_matrix(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw counts of true labels (rows) against matched labels (columns), the last column being *unknown*."""
    side = 1.6 + 0.45 * len(classes)
    figure, axes = _figure(side + 0.4, side)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    columns = [*classes, UNKNOWN_NAME]
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.axvline(len(classes) - 0.5, color="0.4", linewidth=1)
    axes.set(xlabel="matched label", ylabel="true label")
    if len(classes) <= 30:
        for row, column in zip(*np.nonzero(counts), strict=True):
            color = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=color)
    return figure


def as_picture(figure: Figure) -> str:
    """Return a figure as a data URL of a PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return _data_url(stream.getvalue())


def is_image(array: np.ndarray) -> bool:
    """Say whether an example can be shown: uint8 of shape (height, width, 1 or 3)."""
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] in (1, 3)


def thumbnail(image: np.ndarray) -> str:
    """Return an image, uint8 of shape (height, width, 1 or 3), as a data URL of a PNG of at most 96 pixels."""
    from PIL import Image

    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    picture.thumbnail((96, 96))
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return _data_url(stream.getvalue())


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    # A figure of its own, without pyplot: nothing global is touched, and no window system is looked for.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
