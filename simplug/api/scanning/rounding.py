"""What rounding may do to numbers, and how far apart float32 lets vectors be."""

from __future__ import annotations

import math

import numpy as np

FARTHEST = float(np.finfo(np.float32).max)
SINGLE, DOUBLE = 2.0**-24, 2.0**-53
"""The largest relative error of one operation in float32 and in float64."""

SMALLEST = 2.0**-126
"""The smallest normal float32: what a product below it may lose."""


def as_distances(values: np.ndarray) -> np.ndarray:
    """Return float32; what is beyond it is the farthest there is, as infinity would read as an unfilled place."""
    distances: np.ndarray = np.minimum(np.maximum(values, -FARTHEST), FARTHEST).astype(np.float32)
    return distances


def longest_norm(square: float) -> float:
    """Return the largest norm that belongs to a square in float32, where the smallest vanish."""
    return math.sqrt(float(square) + 2.0**-148)


def rounding(steps: int, unit: float) -> float:
    """Return the largest relative error of a sum of products after so many operations, in whatever order."""
    return steps * unit / (1 - steps * unit)
