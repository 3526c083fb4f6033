"""What evaluations are given, checked: metrics of one task, labels, lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simplug.api.distance import Distance
from simplug.api.metric import Metric
from simplug.api.numerics import LARGEST_SQUARE
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.registry import registry_of


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


def built_metrics(metrics: Sequence[Any], contract: type[Metric]) -> dict[str, Any]:
    """Return metrics, given by name, as tables or as instances, by their labels; raises as :func:`by_label` does."""
    return by_label([registry_of("metric").build(metric) for metric in metrics], contract)


def embeddings_of(name: str, given: Any, distance: Distance) -> np.ndarray:
    """Return embeddings as (n, d) contiguous float32, each of which the distance is defined for.

    Raises:
        InvalidInputError: As for :func:`numbers_of`, or a row is too large for its square to fit float32, or has no
            distance to others.
    """
    vectors = numbers_of(name, given)
    invalid, reason = distance.invalid_rows(vectors)
    if invalid.any():
        raise InvalidInputError(f"{name}[{int(np.argmax(invalid))}] {reason} ({np.count_nonzero(invalid)} such rows)")
    prepared = distance.prepare(vectors)
    too_large = ~(np.einsum("ij,ij->i", prepared, prepared, dtype=np.float64) < LARGEST_SQUARE)
    if too_large.any():
        raise InvalidInputError(f"{name}[{int(np.argmax(too_large))}] is too large for its square to fit float32")
    return vectors


def numbers_of(name: str, given: Any) -> np.ndarray:
    """Return embeddings as (n, d) contiguous float32.

    Raises:
        InvalidInputError: They are no real numbers of shape (n, d), or a row holds NaN, infinity or a number too large
            for float32.
    """
    array = np.asarray(given)
    if array.ndim != 2 or array.shape[1] < 1:
        raise InvalidInputError(f"{name} have shape {array.shape}; they are one row each, of shape (n, d)")
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise InvalidInputError(f"{name} have dtype {array.dtype}; embeddings are real numbers")
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(array, dtype=np.float32)
    unusable = ~np.isfinite(vectors).all(axis=1)
    if unusable.any():
        raise InvalidInputError(
            f"{name}[{int(np.argmax(unusable))}] holds NaN, infinity or a number too large for float32 "
            f"({np.count_nonzero(unusable)} such rows)"
        )
    return vectors


def labelled(
    name: str, embeddings: Any, labels_name: str, labels: Any, distance: Distance
) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings as (n, d) float32, each of which the distance is defined for, and their (n,) int64 labels.

    Raises:
        InvalidInputError: As for :func:`embeddings_of` and :func:`labels_of`, or there are none, or their numbers
            differ.
    """
    vectors = embeddings_of(name, embeddings, distance)
    classes = labels_of(labels_name, labels)
    require_lengths(**{name: vectors, labels_name: classes})
    if not len(vectors):
        raise InvalidInputError(f"{name} is empty; there is nothing to score")
    return vectors, classes


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
