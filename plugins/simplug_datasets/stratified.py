"""Data sets whose test split is held out of their examples."""

from __future__ import annotations

import numpy as np

from simplug.api import Data, DataError, Split
from simplug.api.holding_out import held_out


def with_held_out(
    split: Split,
    *,
    test_fraction: float,
    seed: int,
    class_names: dict[int, str],
    group_names: dict[int, str] | None = None,
    source: str,
) -> Data:
    """Return a data set whose test split is a share of every class, drawn at random.

    Args:
        split: All examples.
        test_fraction: The share of each class, 0 <= share < 1; 0 makes no test split.
        seed: The same seed holds out the same rows.
        class_names: The names of the labels.
        group_names: The names of the groups; None for no names.
        source: What the data set is, for the message of an error.

    Raises:
        DataError: A split would be empty.
    """
    test = held_out(split.labels, test_fraction, seed)
    if not test_fraction:
        return Data({"train": split}, class_names, group_names or {})
    if not test.any():
        raise DataError(
            f"{source}: the test split is empty; every class keeps an example to train on, and none of the "
            f"{len(np.unique(split.labels))} classes has a second one. Set test_fraction = 0 for no test split"
        )
    return Data({"train": split[~test], "test": split[test]}, class_names, group_names or {})
