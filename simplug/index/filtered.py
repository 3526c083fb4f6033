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
    structure is asked for more than k, what does not pass is left out, and the queries that then lack neighbours are
    answered by measuring all that pass.
    """
    rows = passing(state, where)
    total = len(state.engine)
    if state.recipe.search.exact or len(rows) <= max(_FEW, _SMALL_SHARE * total):
        return _measured(state, queries, k, rows)
    wanted = max(k, min(total, math.ceil(_SLACK * k * total / len(rows)) + _SPARE))
    found, distances = state.search(queries, wanted)
    places = np.minimum(np.searchsorted(rows, found), len(rows) - 1)
    passes = rows[places] == found
    order = np.argsort(~passes, axis=1, kind="stable")[:, :k]
    found, distances, passes = (np.take_along_axis(table, order, axis=1) for table in (found, distances, passes))
    short = ~passes.all(axis=1)
    if short.any():
        found[short], distances[short] = _measured(state, queries[short], k, rows)
    return found, distances


def _measured(state: State, queries: np.ndarray, k: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance, search = state.recipe.distance, state.recipe.search
    if search.exact or search.coarse or len(rows) * queries.shape[1] > _KEPT_NUMBERS:
        return state.measured(queries, k, rows)

    def vectors_of(some: np.ndarray) -> np.ndarray:
        try:
            return distance.prepare(state.embeddings(some))
        except (ArtifactError, InvalidInputError):
            # A reader's rows may have gone from the store; the search structure has them as they were.
            return state.engine.vectors(some)

    block = state.selections.block(rows, vectors_of)
    return scan(distance, distance.prepare(queries), [block] if len(rows) else [], k)


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
