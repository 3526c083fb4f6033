"""Holding out the same share of every class."""

from __future__ import annotations

import numpy as np


def held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return a mask of the rows to hold out: of each class of n examples ``round(fraction * n)``, drawn at random.

    A class with two examples or more has at least one on either side; a single example is kept for training.

    Args:
        labels: (n,) integer labels.
        fraction: The share of each class, 0 <= share < 1; with 0 nothing is held out.
        seed: The same seed holds out the same rows.

    Returns:
        (n,) booleans.
    """
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(labels), dtype=bool)
    if not fraction:
        return mask
    for rows in rows_by_class(labels):
        mask[rng.permutation(rows)[: held_out_count(len(rows), fraction)]] = True
    return mask


def held_out_count(size: int, fraction: float) -> int:
    """Return how many examples of a class of `size` are held out, for a fraction above 0."""
    return min(max(round(fraction * size), 1), size - 1)


def rows_by_class(labels: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each class, ascending, in the order of the labels; in one pass for any number of classes."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []
