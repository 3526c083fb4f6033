"""How well a distance tells pairs of one class from pairs of two: ROC and histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from simplug.api.pair_counts import AcceptedPairs, PairCounts
from simplug.kernel.errors import InvalidInputError
from simplug.plots.style import MUTED, PAPER, RIGHT, WRONG, add_legend, name_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""The false accept rates at which true accept rates are commonly told."""

_LEAST_RATE = 1e-6
_BINS = 60


@attrs.frozen
class RocPoint(AcceptedPairs):
    """A point of a ROC curve that is reported.

    Attributes:
        name: Such as ``"EER"`` or ``"TAR@FAR=1e-3"``.
    """

    name: str


def roc_curve(counts: PairCounts) -> Figure:
    """Draw the true accept rate over the false accept rate, the latter on a logarithmic axis.

    The equal error rate and the true accept rates at 1e-1 … 1e-5 are marked; a rate that would ask for less than one
    negative pair is left out. The dotted line is chance.

    Args:
        counts: Positive and negative pairs by their distance, from :func:`simplug.evaluation.count_pairs`.

    Raises:
        InvalidInputError: There is no positive or no negative pair.
    """
    _require_both(counts)
    least = max(_LEAST_RATE, 1 / counts.all_negatives)
    far, tar = curve_points(counts)
    figure, axes = new_figure()
    axes.plot(far, tar, color=RIGHT, linewidth=1.8, drawstyle="steps-post")
    error, *rates = reported_points(counts)
    axes.plot(
        [float(point.name.rpartition("=")[2]) for point in rates],
        [point.tar for point in rates],
        linestyle="",
        marker="o",
        markersize=5,
        color=RIGHT,
        markeredgecolor=PAPER,
        label="TAR at 1e-1 … 1e-5",
        clip_on=False,
    )
    axes.plot(
        [max(error.far, least)],
        [error.tar],
        linestyle="",
        marker="D",
        markersize=6,
        color=WRONG,
        markeredgecolor=PAPER,
        label=f"EER {error.far:.3f}",
        clip_on=False,
    )
    chance = np.geomspace(least, 1, 50)
    axes.plot(chance, chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
    axes.set_xscale("log")
    axes.set(xlim=(least, 1), ylim=(0, 1.02))
    name_axes(axes, "false accept rate (share of negative pairs)", "true accept rate")
    add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, columnspacing=1.2, handletextpad=0.3)
    return figure


def distance_histogram(counts: PairCounts) -> Figure:
    """Draw how the distances of positive and of negative pairs are spread, each as a share of its own kind.

    Args:
        counts: As for :func:`roc_curve`.

    Raises:
        InvalidInputError: There is no positive or no negative pair.
    """
    _require_both(counts)
    edges, positive, negative = histogram(counts)
    figure, axes = new_figure()
    for shares, color, label, hatch in (
        (positive, RIGHT, "same class", None),
        (negative, WRONG, "two classes", "////"),
    ):
        axes.stairs(shares, edges, color=color, linewidth=1.6, label=label)
        axes.stairs(shares, edges, fill=True, facecolor=color, alpha=0.22, edgecolor=color, linewidth=0, hatch=hatch)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.01)
    name_axes(axes, "distance of a pair", "share of pairs")
    add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def curve_points(counts: PairCounts, limit: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return (p,) false and (p,) true accept rates, ascending, of a curve that looks like the whole.

    Args:
        counts: Positive and negative pairs by their distance.
        limit: At most how many points; they are evenly spaced on a logarithmic axis of false accept rates.
    """
    far, tar = counts.accepted_negatives, counts.accepted_positives
    # Of thresholds with one false accept rate, the last has the best true one.
    last = np.append(np.flatnonzero(np.diff(far)), len(far) - 1)
    if len(last) > limit:
        wanted = np.geomspace(max(_LEAST_RATE, 1 / max(counts.all_negatives, 1)), 1, limit)
        found = np.searchsorted(far[last], wanted, side="right") - 1
        last = last[np.unique(np.maximum(found, 0))]
    return far[last], tar[last]


def reported_points(counts: PairCounts) -> list[RocPoint]:
    """Return the equal error rate, then the true accept rate at each of the common false accept rates.

    They are the scores of the metrics ``eer`` and ``tar_at_far``. A rate below one in the number of negative pairs
    cannot be measured and is left out.
    """
    points = [RocPoint(name="EER", **attrs.asdict(counts.equal_error()))]
    for rate in FALSE_ACCEPT_RATES:
        if rate * counts.all_negatives >= 1:
            name = f"TAR@FAR={rate:.0e}".replace("e-0", "e-")
            points.append(RocPoint(name=name, **attrs.asdict(counts.within_far(rate))))
    return points


def histogram(counts: PairCounts, bins: int = _BINS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (b + 1,) edges of bins, and the (b,) shares of positive and of negative pairs in them."""
    thresholds = counts.thresholds
    held = np.flatnonzero(counts.positives + counts.negatives)
    low, high = float(thresholds[held[0]]), float(thresholds[-1])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    within = np.searchsorted(thresholds, edges, side="right") - 1
    shares = []
    for column, total in ((counts.positives, counts.all_positives), (counts.negatives, counts.all_negatives)):
        cumulative = np.where(within >= 0, column[np.maximum(within, 0)], 0)
        # The first edge is a distance that occurs; what lies at it belongs to the first bin.
        cumulative[0] = 0
        shares.append(np.diff(cumulative) / max(total, 1))
    return edges, shares[0], shares[1]


def _require_both(counts: PairCounts) -> None:
    if not counts.all_positives or not counts.all_negatives:
        raise InvalidInputError(
            f"{counts.all_positives} positive and {counts.all_negatives} negative pairs; "
            "there is at least one of each where classes can be told apart"
        )
