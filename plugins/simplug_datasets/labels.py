"""Labels that are numbers already, and labels that are texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# What int64 holds, written in one way only: "07" is a text, or it would be the same class as "7".
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


def is_number(text: str) -> bool:
    """Say whether a text is a whole number from 0 on, written in the usual way."""
    return _NUMBER.fullmatch(text) is not None


def numbered(texts: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """Return int64 labels for texts, and the name of each.

    Whole numbers from 0 on stay what they are, and have no names. Other texts, or texts of which some are no such
    number, are numbered from 0 in sorted order.
    """
    if all(map(is_number, texts)):
        return np.array([int(text) for text in texts], dtype=np.int64), {}
    names, labels = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return labels.astype(np.int64).reshape(-1), {label: str(name) for label, name in enumerate(names)}
