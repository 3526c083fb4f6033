"""What evaluations are given, checked: metrics of one task, labels, lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simplug.api.metric import Metric
from simplug.kernel.errors import InvalidInputError


def by_label(metrics: Sequence[Metric], contract: type[Metric]) -> dict[str, Any]:
    """Return metrics by their labels, equal ones once.

    Raises:
        InvalidInputError: There is none, or one does not have this contract.
    """
    if not metrics:
        raise InvalidInputError("no metric is given; name at least one")
    for metric in metrics:
        if not isinstance(metric, contract):
            raise InvalidInputError(f"{metric!r} is no {contract.__name__}, which is what is scored here")
    return {metric.label: metric for metric in metrics}


def labels_of(name: str, labels: Any) -> np.ndarray:
    """Return labels as (n,) int64.

    Raises:
        InvalidInputError: They have another shape, or are no integers of 64 bits.
    """
    values = np.asarray(labels)
    if values.ndim != 1:
        raise InvalidInputError(f"{name} have shape {values.shape}; they are one label each, of shape (n,)")
    if values.size == 0:
        return np.empty(0, dtype=np.int64)
    require_integers(name, values)
    return values.astype(np.int64)


def require_lengths(**arrays: np.ndarray) -> None:
    """Refuse arrays of different lengths; each is one a query."""
    if len({len(array) for array in arrays.values()}) > 1:
        listing = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise InvalidInputError(f"the lengths differ: {listing}; each is one a query")


def require_integers(name: str, labels: np.ndarray) -> None:
    """Refuse labels that are no integers of 64 signed bits."""
    if labels.dtype.kind not in "iu":
        raise InvalidInputError(f"{name} have dtype {labels.dtype}; labels are integers")
    if labels.dtype == np.uint64 and labels.size and labels.max() > np.iinfo(np.int64).max:
        raise InvalidInputError(f"{name} hold {labels.max()}, which is more than 64 signed bits can hold")
