"""Lookups among the records that pass a filter."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from simplug.api import Block, scan
from simplug.api.scanning import sums_of_squares
from simplug.index import filters, payload
from simplug.index.columns import Integers
from simplug.index.filters import Filter
from simplug.kernel.errors import ArtifactError, InvalidInputError

if TYPE_CHECKING:
    from simplug.index.state import State

_FEW, _SMALL_SHARE = 2000, 0.2
"""Up to so many passing records, or up to this share of all, to measure each is quicker than to search and sift."""

_SLACK, _SPARE = 1.3, 10
"""How many times more, and how many more, are searched than should do if passing records lie everywhere alike."""

_WIDER, _ROWS_PER_WANTED = 8, 100
"""How many times more are searched where that was not enough, as long as to measure so many rows takes longer."""

_AT_ONCE = 8192

_KEPT_NUMBERS = 1 << 24
"""How many components of vectors are kept of the records that filters let pass: 64 MiB."""


class Selections:
    """Vectors of the records that passed recent filters; several threads may ask at once.

    A graph takes ten microseconds to give a vector back, and the same filter often comes again. A row has one embedding
    for ever, so what is kept never becomes wrong.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: list[Block] = []

    def block(self, rows: np.ndarray, vectors_of: Callable[[np.ndarray], np.ndarray]) -> Block:
        """Return (n,) rows with their vectors, which `vectors_of` gives if they are not kept."""
        with self._lock:
            for block in self._blocks:
                if np.array_equal(block.rows, rows):
                    return block
        vectors = vectors_of(rows)
        block = Block(rows, vectors, sums_of_squares(vectors))
        with self._lock:
            self._blocks.insert(0, block)
            while sum(kept.vectors.size for kept in self._blocks) > _KEPT_NUMBERS:
                self._blocks.pop()
        return block


def search(state: State, queries: np.ndarray, k: int, where: Filter) -> tuple[np.ndarray, np.ndarray]:
    """Return (q, k) rows and distances of the nearest records among those that pass a filter.

    The neighbours are the true ones where the search is exact or few records pass. Where many do, the search
    structure is asked for more than k, and what does not pass is left out; queries that then lack neighbours get more
    of them asked for, and in the end are answered by measuring all that pass.
    """
    rows = passing(state, where)
    few = max(_FEW, min(_SMALL_SHARE * len(state.engine), _KEPT_NUMBERS // state.recipe.dim))
    if state.recipe.search.exact or len(rows) <= few:
        return _measured(state, queries, k, rows)
    return _sifted(state, queries, k, rows)


def _sifted(state: State, queries: np.ndarray, k: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what passes among the neighbours that the search finds, and of the rest what measuring finds."""
    found = np.empty((len(queries), k), dtype=np.int64)
    distances = np.empty((len(queries), k), dtype=np.float32)
    lacking = np.arange(len(queries))
    total = len(state.engine)
    wanted = max(k, min(total, math.ceil(_SLACK * k * total / len(rows)) + _SPARE))
    while True:
        near, far = state.search(queries[lacking], wanted)
        passes = rows[np.minimum(np.searchsorted(rows, near), len(rows) - 1)] == near
        order = np.argsort(~passes, axis=1, kind="stable")[:, :k]
        found[lacking], distances[lacking] = (np.take_along_axis(table, order, axis=1) for table in (near, far))
        lacking = lacking[passes.sum(axis=1) < k]
        wanted *= _WIDER
        if not len(lacking):
            return found, distances
        if wanted > len(rows) // _ROWS_PER_WANTED:
            found[lacking], distances[lacking] = _measured(state, queries[lacking], k, rows)
            return found, distances


def _measured(state: State, queries: np.ndarray, k: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the true neighbours among (n,) rows."""
    distance, search = state.recipe.distance, state.recipe.search
    if search.exact or search.coarse:
        return state.measured(queries, k, rows)

    def vectors_of(some: np.ndarray) -> np.ndarray:
        try:
            return distance.prepare(state.embeddings(some))
        except (ArtifactError, InvalidInputError):
            # A reader's rows may have gone from the store; the search structure has them as they were.
            return state.engine.vectors(some)

    if len(rows) * queries.shape[1] <= _KEPT_NUMBERS:
        blocks = iter([state.selections.block(rows, vectors_of)] if len(rows) else [])
    else:
        parts = (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
        blocks = (Block(part, vectors_of(part)) for part in parts)
    return scan(distance, queries, blocks, k)


def passing(state: State, where: Filter) -> np.ndarray:
    """Return the rows of the records that pass a filter and can be found."""
    rows, ids, labels = state.directory.records()
    names = filters.columns_of(where)
    data = {name.removeprefix(filters.DATA): name for name in names if name.startswith(filters.DATA)}
    columns: dict[str, Any] = {filters.LABEL: Integers(labels), filters.ID: Integers(ids)}
    hidden = set(state.damaged)
    if data:

        def read(some: np.ndarray) -> list[Any]:
            ids = state.directory.ids_and_labels(some)[0].tolist()
            return [
                payload.decode(value, f"the data of id {id_}")
                for id_, value in zip(ids, state.payloads(some), strict=True)
            ]

        fields, damaged = state.fields.columns(data, rows, state.sequence, read)
        columns |= {data[name]: column for name, column in fields.items()}
        hidden |= damaged
    found: np.ndarray = rows[np.flatnonzero(filters.passing(where, columns))]
    return found[~np.isin(found, list(hidden))] if hidden else found
