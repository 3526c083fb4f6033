"""What all figures share: their size, their colours, and which colour means what.

The colours can be told apart with each of the common colour vision deficiencies, and lines differ in their dashes and
points in their shapes as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1c2733"
MUTED = "#5d6b7a"
GRID = "#dfe5eb"
PAPER = "#ffffff"
ON_COLOR = "#fefefe"
"""Text on a strong colour, which is light in a dark theme, too."""

SERIES = ("#0a6ebd", "#c8500a", "#0b8a6a", "#b0478f", "#a87b00", "#6a53c4", "#5f6b76", "#8d5a2b")
"""The colours of lines and classes, in their order."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
SHAPES = ("o", "s", "^", "D")

RIGHT, WRONG = SERIES[0], SERIES[1]
"""Right neighbours, positive pairs; wrong neighbours, negative pairs."""

OF_METRIC = {"f1": 0, "precision": 1, "recall": 2, "fpr": 3, "npv": 4, "binary_accuracy": 5}
"""The place in :data:`SERIES` of metrics that are often drawn; a metric has one colour in every figure."""

WIDTH, HEIGHT = 4.0, 2.8
"""Inches. A picture of this size can be read on a telephone, and two stand side by side on a desk."""


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes; without pyplot, so that nothing global is touched."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    axes.tick_params(colors=MUTED, labelsize=8.5, length=3, labelcolor=MUTED)
    axes.grid(visible=True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)
    return figure, axes


def name_axes(axes: Axes, x: str, y: str) -> None:
    """Name both axes."""
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)


def add_legend(axes: Axes, **options: Any) -> None:
    """Add a legend without a frame."""
    axes.legend(**{"fontsize": 8.5, "frameon": False, "labelcolor": INK, "handlelength": 2.2, **options})


def series_of(label: str, position: int) -> int:
    """Return the place in :data:`SERIES` of a metric: its own if it has one, else one that no metric owns."""
    name = label.partition("@")[0].partition("(")[0]
    free = [place for place in range(len(SERIES)) if place not in OF_METRIC.values()]
    return OF_METRIC.get(name, free[position % len(free)])


def shape_of(place: int) -> int:
    """Return the place in :data:`SHAPES` of the class at a place.

    Classes whose colours follow each other differ in shape, too, and each of 32 has a colour and a shape of its own.
    """
    return (place + place // len(SERIES)) % len(SHAPES)


def color_of(place: int) -> str:
    """Return the colour of the series, or the class, at a place."""
    return SERIES[place % len(SERIES)]
