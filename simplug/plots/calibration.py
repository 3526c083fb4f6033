"""What is gained and lost by accepting matches up to a distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simplug.plots.style import DASHES, INK, MUTED, add_legend, color_of, name_axes, new_figure, series_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simplug.evaluation.calibration import Calibration


def score_curve(calibration: Calibration) -> Figure:
    """Draw each metric of a calibration over the distance up to which a match is accepted, with the cut points.

    Args:
        calibration: What :meth:`simplug.Index.calibrate` returned, or an index holds as its ``calibration``.
    """
    figure, axes = new_figure()
    distances = np.asarray(calibration.curve["distance"])
    labels = [name for name in calibration.curve if name != "distance"]
    for i, label in enumerate(labels):
        place = series_of(label, i)
        values = np.asarray(calibration.curve[label])
        # A score holds from its distance up to the next one.
        axes.plot(
            distances,
            values,
            color=color_of(place),
            linestyle=DASHES[place % len(DASHES)],
            linewidth=1.8,
            label=label,
            drawstyle="steps-post",
        )
    _mark_cut_points(axes, calibration)
    axes.set_ylim(0, 1.02)
    axes.margins(x=0.02)
    name_axes(axes, "distance up to which a match is accepted", "score")
    add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.1), ncols=min(len(labels), 4), columnspacing=1.2)
    return figure


def _mark_cut_points(axes: Axes, calibration: Calibration) -> None:
    """Draw a line at each cut point and write its name above; names that would touch take turns in two heights."""
    low, high = calibration.curve["distance"][0], calibration.curve["distance"][-1]
    before, raised = -np.inf, False
    for point in sorted(calibration.cut_points.values(), key=lambda one: one.distance):
        axes.axvline(point.distance, color=INK, linestyle=(0, (3, 2)), linewidth=1)
        raised = not raised and point.distance - before < 0.2 * (high - low)
        axes.annotate(
            point.name,
            (point.distance, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 12 if raised else 3),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=MUTED,
        )
        before = point.distance
