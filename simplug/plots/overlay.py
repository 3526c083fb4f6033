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

Rates = tuple[np.ndarray, np.ndarray]
"""(p,) false accept rates and as many true ones."""


def loss_curves(histories: Mapping[str, History]) -> Figure:
    """Draw the training loss of several runs over the epochs.

    Args:
        histories: For the name of each run its history, one row an epoch.

    Raises:
        InvalidInputError: There is no run.
    """
    from matplotlib.ticker import MaxNLocator

    curves: dict[str, Rates | None] = {
        name: (np.array([row["epoch"] for row in rows]), np.array([row["loss"] for row in rows]))
        for name, rows in histories.items()
    }
    figure, axes = new_figure()
    _draw(axes, curves, marker="o" if all(len(rows) <= 30 for rows in histories.values()) else None)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    name_axes(axes, "epoch", "loss")
    return figure


def roc_curves(rates: Mapping[str, Rates | None]) -> Figure:
    """Draw the ROC curves of several runs, with a logarithmic axis of false accept rates.

    Args:
        rates: For the name of each run (p,) false and (p,) true accept rates, ascending; None for a run that has
            none, so that the others keep their colours.

    Raises:
        InvalidInputError: There is no run with rates.
    """
    figure, axes = new_figure()
    _draw(axes, rates, drawstyle="steps-post")
    far_rates = [curve[0] for curve in rates.values() if curve is not None]
    least = min((float(far[far > 0].min()) for far in far_rates if (far > 0).any()), default=1e-3)
    axes.set_xscale("log")
    axes.set(xlim=(min(least, 0.1), 1), ylim=(0, 1.02))
    name_axes(axes, "false accept rate (share of negative pairs)", "true accept rate")
    return figure


def _draw(axes: Axes, curves: Mapping[str, Rates | None], **style: Any) -> None:
    if all(curve is None for curve in curves.values()):
        raise InvalidInputError("there is no run to draw")
    for i, (name, curve) in enumerate(curves.items()):
        if curve is None:
            continue
        axes.plot(*curve, color=color_of(i), linestyle=DASHES[i % len(DASHES)], markersize=4, label=name, **style)
    add_legend(axes, loc="best")
