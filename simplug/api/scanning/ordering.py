"""The order of pairs by query, then by distance."""

from __future__ import annotations

import numpy as np


def ordered(which: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return the order of pairs by query, then by float32 distance, then as they stand."""
    place = len(which).bit_length()
    if int(which.max()).bit_length() + 32 + place > 64:
        return np.lexsort((distances, which))
    # One sort of whole numbers that say it all takes a tenth of the time. To add 0 turns -0.0 into 0.0.
    bits = (distances + np.float32(0)).view(np.uint32)
    bits = bits ^ np.where(bits >> 31, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    keys = (which.astype(np.uint64) << np.uint64(32 + place)) | (bits.astype(np.uint64) << np.uint64(place))
    keys |= np.arange(len(which), dtype=np.uint64)
    keys.sort()
    order: np.ndarray = (keys & np.uint64((1 << place) - 1)).astype(np.int64)
    return order


def kth_of_each(which: np.ndarray, distances: np.ndarray, k: int, queries: int) -> np.ndarray:
    """Return the k-th smallest float32 distance of each query's pairs, infinity where it has fewer."""
    counts = np.bincount(which, minlength=queries)
    filled = counts >= k
    lasts = np.full(queries, np.inf, dtype=np.float32)
    places = (np.cumsum(counts) - counts)[filled] + (k - 1)
    lasts[filled] = distances[ordered(which, distances)[places]]
    return lasts
