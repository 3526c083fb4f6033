"""How a training went: losses and scores by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from simplug.kernel.errors import InvalidInputError
from simplug.plots.style import DASHES, HEIGHT, add_legend, color_of, name_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_CURVE = {"epoch", "learning_rate", "seconds", "kept"}

History = Sequence[Mapping[str, float]]


def loss_curve(history: History | Mapping[str, Sequence[float]]) -> Figure:
    """Draw the losses over the epochs: every column that is named ``loss`` or ends in ``_loss``.

    Args:
        history: One row an epoch, as a run keeps them, or the ``history`` of Keras's own record: columns by name.

    Raises:
        InvalidInputError: There is no row, or none has a loss.
    """
    rows = _rows(history)
    return _curves(rows, [name for name in _columns(rows) if _is_loss(name)], "loss")


def score_history(history: History | Mapping[str, Sequence[float]], names: Sequence[str] | None = None) -> Figure:
    """Draw the scores over the epochs: every column but losses, the learning rate, the seconds and which was kept.

    Args:
        history: As for :func:`loss_curve`. A score may be missing in some of the rows.
        names: Which scores; all of them unless they are named. Those of one scale belong in one figure.

    Raises:
        InvalidInputError: There is no row, or none has a score, or not the one that is named.
    """
    rows = _rows(history)
    told = scores_in(rows)
    missing = [name for name in names or () if name not in told]
    if missing:
        raise InvalidInputError(f"the history has no score {missing[0]!r}; it has: {', '.join(told) or 'none'}")
    return _curves(rows, told if names is None else names, "score")


def scores_in(history: History) -> list[str]:
    """Return the names of the columns that :func:`score_history` draws."""
    return [name for name in _columns(history) if name not in _NO_CURVE and not _is_loss(name)]


def _curves(rows: History, names: Sequence[str], what: str) -> Figure:
    from matplotlib.ticker import MaxNLocator

    if not names:
        raise InvalidInputError(f"the history has no {what}; its columns: {', '.join(_columns(rows)) or 'none'}")
    legend_rows = -(-len(names) // 2) if len(names) > 1 else 0
    figure, axes = new_figure(height=HEIGHT + 0.17 * legend_rows)
    for i, name in enumerate(names):
        points = [(row["epoch"], row[name]) for row in rows if row.get(name) is not None]
        axes.plot(
            *zip(*points, strict=True),
            color=color_of(i),
            linestyle=DASHES[i % len(DASHES)],
            marker="o" if len(points) <= 30 else None,
            markersize=4,
            label=name,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    values = [row[name] for row in rows for name in names if row.get(name) is not None]
    if min(values) >= 0:
        axes.set_ylim(0, 1.05 * max(values) or 1)
    name_axes(axes, "epoch", what if len(names) > 1 else names[0])
    if len(names) > 1:
        add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, columnspacing=1.2)
    return figure


def _rows(history: History | Mapping[str, Sequence[float]]) -> History:
    if isinstance(history, Mapping):
        length = max((len(column) for column in history.values()), default=0)
        history = [{"epoch": i + 1, **{name: column[i] for name, column in history.items()}} for i in range(length)]
    if not len(history):
        raise InvalidInputError("the history has no row; a training of at least one epoch has one")
    return history


def _columns(rows: History) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _is_loss(name: str) -> bool:
    return name == "loss" or name.endswith("_loss")
