"""Figures for notebooks and papers: curves, confusion, neighbours and projections, as Matplotlib figures.

Each function takes plain arrays or simplug's own records, and returns a :class:`matplotlib.figure.Figure` that is made
without pyplot: a notebook shows it as the value of a cell, ``figure.savefig("roc.svg")`` writes it, and nothing global
is changed. Each public name is loaded when it is first used, and Matplotlib when a figure is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
else:
    from simplug.kernel.lazy import lazy_names

    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "simplug.plots.calibration": ["score_curve"],
            "simplug.plots.confusion": ["confusion_matrix"],
            "simplug.plots.gallery": ["neighbor_gallery"],
            "simplug.plots.history": ["loss_curve", "score_history"],
            "simplug.plots.overlay": ["loss_curves", "roc_curves"],
            "simplug.plots.pairs": ["distance_histogram", "roc_curve"],
            "simplug.plots.plane": ["projection"],
        },
    )
