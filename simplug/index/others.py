"""The neighbours of records, without the records themselves."""

from __future__ import annotations

import numpy as np


def others(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Leave a record out of its neighbours; where it was not found, the last of them goes.

    Args:
        found: (n, k) rows of the neighbours of n records.
        own: (n,) rows of the records.

    Returns:
        (n, k - 1) rows.
    """
    itself = found == own[:, None]
    itself[~itself.any(axis=1), -1] = True
    kept: np.ndarray = found[~itself].reshape(len(own), found.shape[1] - 1)
    return kept
