"""The shape and dtype of an array, as a pair that can be compared and that reads well in a failed assert."""

from __future__ import annotations

import numpy as np


def form(values: np.ndarray) -> tuple[tuple[int, ...], str]:
    """Return the shape and the name of the dtype."""
    return values.shape, values.dtype.name
