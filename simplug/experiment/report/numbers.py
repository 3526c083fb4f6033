"""How numbers are written in reports: as many digits as mean something."""

from __future__ import annotations

import math

NOTHING = "–"  # noqa: RUF001 - the dash that stands in a table for no value


def score(value: float | None) -> str:
    """Return a score with three decimals; larger numbers, such as an effective rank, with fewer."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def count(value: float) -> str:
    """Return a whole number with separators."""
    return f"{int(value):,}"


def distance(value: float) -> str:
    """Return a distance with four digits that count."""
    return f"{value:#.4g}" if math.isfinite(value) else NOTHING


def interval(bounds: tuple[float, float] | None) -> str:
    """Return an interval, such as ``0.912 to 0.958``; nothing where there is none."""
    if bounds is None or not all(map(math.isfinite, bounds)):
        return ""
    return f"{score(bounds[0])} to {score(bounds[1])}"


def short(name: str, longest: int = 18) -> str:
    """Return a name that fits where there is little room."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def words(label: str) -> str:
    """Return the name of a score: that of a metric as a config has it, our own as they are read."""
    return {"unknown": "called unknown", "matching_accuracy": "matching accuracy"}.get(label, label)
