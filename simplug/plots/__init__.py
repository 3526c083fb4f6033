"""Figures for notebooks and papers: curves, confusion, neighbours and projections, as Matplotlib figures.

Each function takes plain arrays or simplug's own records, and returns a :class:`matplotlib.figure.Figure` that is made
without pyplot: a notebook shows it as the value of a cell, ``figure.savefig("roc.svg")`` writes it, and nothing global
is changed. Each public name is loaded when it is first used, and Matplotlib when a figure is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simplug.plots.calibration import score_curve as score_curve
    from simplug.plots.confusion import confusion_matrix as confusion_matrix
    from simplug.plots.gallery import neighbor_gallery as neighbor_gallery
    from simplug.plots.history import loss_curve as loss_curve
    from simplug.plots.history import score_history as score_history
    from simplug.plots.overlay import loss_curves as loss_curves
    from simplug.plots.overlay import roc_curves as roc_curves
    from simplug.plots.pairs import distance_histogram as distance_histogram
    from simplug.plots.pairs import roc_curve as roc_curve
    from simplug.plots.plane import projection as projection

_MODULES = {
    "confusion_matrix": "simplug.plots.confusion",
    "distance_histogram": "simplug.plots.pairs",
    "loss_curve": "simplug.plots.history",
    "loss_curves": "simplug.plots.overlay",
    "neighbor_gallery": "simplug.plots.gallery",
    "projection": "simplug.plots.plane",
    "roc_curve": "simplug.plots.pairs",
    "roc_curves": "simplug.plots.overlay",
    "score_curve": "simplug.plots.calibration",
    "score_history": "simplug.plots.history",
}
"""Where each public name comes from."""

__all__ = [
    "confusion_matrix",
    "distance_histogram",
    "loss_curve",
    "loss_curves",
    "neighbor_gallery",
    "projection",
    "roc_curve",
    "roc_curves",
    "score_curve",
    "score_history",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'simplug.plots' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
