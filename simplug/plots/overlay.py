"""Curves of several runs in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from simplug.kernel.errors import InvalidInputError
from simplug.plots.history import History
from simplug.plots.style import DASHES, add_legend, color_of, name_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def loss_curves(histories: Mapping[str, History]) -> Figure:
    """Draw the training loss of several runs over the epochs.

    Args:
        histories: For the name of each run its history, one row an epoch.

    Raises:
        InvalidInputError: There is no run.
    """
    from matplotlib.ticker import MaxNLocator

    curves = {
        name: (np.array([row["epoch"] for row in rows]), np.array([row["loss"] for row in rows]))
        for name, rows in histories.items()
    }
    figure, axes = new_figure()
    _draw(axes, curves, marker="o" if all(len(rows) <= 30 for rows in histories.values()) else None)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    name_axes(axes, "epoch", "loss")
    return figure


def roc_curves(rates: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw the ROC curves of several runs, with a logarithmic axis of false accept rates.

    Args:
        rates: For the name of each run (p,) false and (p,) true accept rates, ascending.

    Raises:
        InvalidInputError: There is no run.
    """
    figure, axes = new_figure()
    _draw(axes, rates, drawstyle="steps-post")
    least = min((float(far[far > 0].min()) for far, _ in rates.values() if (far > 0).any()), default=1e-3)
    axes.set_xscale("log")
    axes.set(xlim=(min(least, 0.1), 1), ylim=(0, 1.02))
    name_axes(axes, "false accept rate (share of negative pairs)", "true accept rate")
    return figure


def _draw(axes: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], **style: Any) -> None:
    if not curves:
        raise InvalidInputError("there is no run to draw")
    for i, (name, (x, y)) in enumerate(curves.items()):
        axes.plot(x, y, color=color_of(i), linestyle=DASHES[i % len(DASHES)], markersize=4, label=name, **style)
    add_legend(axes, loc="best")
