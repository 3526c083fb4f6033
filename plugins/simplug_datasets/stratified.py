"""Holding out the same share of every class."""

from __future__ import annotations

import numpy as np

from simplug.api import Data, DataError, Split


def with_held_out(
    split: Split,
    *,
    test_fraction: float,
    seed: int,
    class_names: dict[int, str],
    source: str,
) -> Data:
    """Return a data set whose test split is a share of every class, drawn at random.

    Args:
        split: All examples.
        test_fraction: The share of each class, 0 <= share < 1; 0 makes no test split.
        seed: The same seed holds out the same rows.
        class_names: The names of the labels.
        source: What the data set is, for the message of an error.

    Raises:
        DataError: A split would be empty.
    """
    test = held_out(split.labels, test_fraction, seed)
    if not test_fraction:
        return Data({"train": split}, class_names)
    if not test.any():
        raise DataError(
            f"{source}: the test split is empty; every class keeps an example to train on, and none of the "
            f"{len(np.unique(split.labels))} classes has a second one. Set test_fraction = 0 for no test split"
        )
    return Data({"train": split[~test], "test": split[test]}, class_names)


def held_out(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return a mask of the rows to hold out: of each class of n examples ``round(fraction * n)``, drawn at random.

    A class with two examples or more has at least one on either side; a single example is kept for training. With
    a fraction of 0 nothing is held out.
    """
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(labels), dtype=bool)
    if not fraction:
        return mask
    starts = np.unique(np.sort(labels), return_index=True)[1]
    for rows in np.split(np.argsort(labels, kind="stable"), starts[1:]):
        mask[rng.permutation(rows)[: held_out_count(len(rows), fraction)]] = True
    return mask


def held_out_count(size: int, fraction: float) -> int:
    """Return how many examples of a class of `size` are held out, for a fraction above 0."""
    return min(max(round(fraction * size), 1), size - 1)
