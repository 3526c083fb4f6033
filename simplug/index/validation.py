"""Checks of what users hand to an index: everything is looked at before anything is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simplug.api import Distance
from simplug.api.numerics import LARGEST_SQUARE
from simplug.kernel.errors import InvalidInputError

UNLABELED = -1
"""The label of a record that was given none."""

_LARGEST_ID = np.iinfo(np.int64).max


def embeddings(given: Any, dim: int, distance: Distance, what: str = "embeddings") -> np.ndarray:
    """Return (n, d) embeddings as contiguous float32, after checking every row.

    Raises:
        InvalidInputError: They are not numbers of shape (n, dim), or a row holds NaN or infinity, is too large for
            float32, or has no distance to others.
    """
    array = _array(given, what)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise InvalidInputError(f"{what} must be real numbers, not {array.dtype}")
    if array.ndim != 2 or array.shape[1] != dim:
        hint = f"; a single one is {what}[None]" if array.shape == (dim,) else ""
        raise InvalidInputError(f"{what} must have shape (n, {dim}), not {array.shape}{hint}")
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(array, dtype=np.float32)
        squares = np.einsum("ij,ij->i", vectors, vectors)
    # One comparison finds NaN, infinity and whatever is too large; what it was is only asked when there is a reason.
    if not (squares < LARGEST_SQUARE).all():
        _require_usable(array, vectors, distance, what)
    invalid, reason = distance.invalid_rows(vectors)
    if invalid.any():
        raise InvalidInputError(f"{what}[{int(np.argmax(invalid))}] {reason}{_others(invalid)}")
    return vectors


def query(given: Any, dim: int, distance: Distance) -> np.ndarray:
    """Return one query of shape (d,) or (1, d) as (1, d) contiguous float32, after checking it.

    Raises:
        InvalidInputError: As for :func:`embeddings`.
    """
    shape = np.shape(given)
    if shape not in ((dim,), (1, dim)):
        raise InvalidInputError(f"query must have shape ({dim},), not {shape}")
    return embeddings(np.reshape(given, (1, dim)), dim, distance, "query")


def _require_usable(array: np.ndarray, vectors: np.ndarray, distance: Distance, what: str) -> None:
    given = array.astype(np.float64)
    for bad, reason in ((np.isnan(given), "holds NaN"), (np.isinf(given), "holds infinity")):
        rows = bad.any(axis=1)
        if rows.any():
            raise InvalidInputError(f"{what}[{int(np.argmax(rows))}] {reason}{_others(rows)}")
    rows = ~np.isfinite(vectors).all(axis=1)
    if not rows.any():
        # Distances that look at the direction alone bear any finite vector once it is prepared.
        prepared = np.asarray(distance.prepare(vectors), dtype=np.float64)
        rows = ~(np.einsum("ij,ij->i", prepared, prepared) < LARGEST_SQUARE)
    if rows.any():
        row = int(np.argmax(rows))
        largest = float(np.abs(given[row]).max())
        raise InvalidInputError(f"{what}[{row}] is too large for float32: it holds {largest:g}{_others(rows)}")


def labels(given: Any, count: int, what: str = "labels") -> np.ndarray:
    """Return (n,) int64 labels; None means that there are none, which is -1.

    Raises:
        InvalidInputError: They are not integers within int64 of shape (n,) or (n, 1), or not `count` of them.
    """
    if given is None:
        return np.full(count, UNLABELED, dtype=np.int64)
    array = _integers(given, what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InvalidInputError(f"{what} must have shape (n,) or (n, 1), not {array.shape}")
    require_length(len(array), count, what)
    return array


def ids(given: Any, what: str = "ids") -> np.ndarray:
    """Return (n,) int64 ids, none of them twice.

    Raises:
        InvalidInputError: They are not integers from 0 to 2**63 - 1 of shape (n,), or one is there twice.
    """
    array = id_values(given, what)
    if len(array) > 1:
        ordered = np.sort(array)
        twice = ordered[:-1][ordered[1:] == ordered[:-1]]
        if len(twice):
            raise InvalidInputError(f"{what} holds {twice[0]} more than once")
    return array


def id_values(given: Any, what: str = "ids") -> np.ndarray:
    """Return (n,) int64 ids, which may repeat.

    Raises:
        InvalidInputError: They are not integers from 0 to 2**63 - 1 of shape (n,).
    """
    array = _integers(given, what)
    if array.ndim != 1:
        raise InvalidInputError(f"{what} must have shape (n,), not {array.shape}")
    if len(array) and array.min() < 0:
        row = int(np.argmax(array < 0))
        raise InvalidInputError(f"{what}[{row}] is {array[row]}; ids are from 0 to {_LARGEST_ID}")
    return array


def data(given: Any, count: int, what: str = "data") -> Sequence[Any]:
    """Return `count` payloads; None means that there are none.

    Raises:
        InvalidInputError: They are no list, tuple or array, or not `count` of them.
    """
    if given is None:
        return [None] * count
    if not isinstance(given, list | tuple | np.ndarray) or (isinstance(given, np.ndarray) and given.ndim == 0):
        raise InvalidInputError(
            f"{what} must be a list, tuple or array of {count} payloads, not {type(given).__name__}"
        )
    require_length(len(given), count, what)
    return list(given)


def neighbors_wanted(k: Any, what: str = "k") -> int:
    """Return a number of neighbours, or of something else of which there is at least one.

    Raises:
        InvalidInputError: It is no integer of at least 1.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise InvalidInputError(f"{what} must be an integer of at least 1, not {k!r}")
    if k < 1:
        raise InvalidInputError(f"{what} must be at least 1, not {k}")
    return int(k)


def share(given: Any, what: str) -> float:
    """Return a share.

    Raises:
        InvalidInputError: It is no number above 0 and at most 1.
    """
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0 < given <= 1:
        raise InvalidInputError(f"{what} must be a number above 0 and at most 1, not {given!r}")
    return float(given)


def dimension(dim: Any) -> int:
    """Return the dimension of embeddings.

    Raises:
        InvalidInputError: It is no integer of at least 1.
    """
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or dim < 1:
        raise InvalidInputError(f"dim must be an integer of at least 1, not {dim!r}")
    return int(dim)


def require_length(length: int, count: int, what: str) -> None:
    """Refuse what has another length than what it belongs to.

    Raises:
        InvalidInputError: `length` is not `count`.
    """
    if length != count:
        raise InvalidInputError(f"{what} has {length} entries, for {count} records")


def _integers(given: Any, what: str) -> np.ndarray:
    array = _array(given, what)
    if array.size == 0 and not isinstance(given, np.ndarray):
        return array.astype(np.int64)  # an empty list has no dtype of its own
    if array.dtype.kind not in "iu":
        raise InvalidInputError(f"{what} must be integers within int64, not {array.dtype}")
    if array.dtype.kind == "u" and array.size and array.max() > _LARGEST_ID:
        raise InvalidInputError(f"{what} holds {array.max()}, which is beyond int64")
    return np.array(array, dtype=np.int64)


def _array(given: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as cause:
        raise InvalidInputError(f"{what} cannot be read as an array: {cause}") from cause


def _others(rows: Any) -> str:
    count = int(rows.sum()) - 1
    return f" (and {count} more)" if count else ""
