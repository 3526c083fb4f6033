"""Galleries that matchers condense the records to, kept in memory while the records stay as they are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np

from simplug.api import Block, Matcher, scan
from simplug.kernel.config import to_config
from simplug.kernel.errors import InvalidInputError

if TYPE_CHECKING:
    from simplug.index.state import State

_UNLABELED = -1
_READ_AT_ONCE = 8192


@attrs.frozen(eq=False)
class CondensedGallery:
    """What a matcher made of the records.

    Attributes:
        labels: (m,) int64.
        vectors: (m, d) float32, as the distance prepares them.
    """

    labels: np.ndarray
    vectors: np.ndarray

    def neighbors(self, state: State, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (q, k) labels and distances of the nearest entries to prepared queries, by measuring all of them."""
        blocks = [Block(np.arange(len(self.labels)), self.vectors)] if len(self.labels) else []
        places, distances = scan(state.recipe.distance, queries, blocks, k)
        labels = np.full_like(places, _UNLABELED)
        labels[places >= 0] = self.labels[places[places >= 0]]
        return labels, distances


class Condensations:
    """The condensed galleries of one state of the records, by matcher; several threads may ask at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sequence = -1
        self._made: dict[str, CondensedGallery | None] = {}

    def of(self, state: State, matcher: Matcher) -> CondensedGallery | None:
        """Return what a matcher condenses the records to; None for one whose neighbours are the records.

        Raises:
            ArtifactError: A record is damaged.
            InvalidInputError: The distance is not defined for an entry.
        """
        if type(matcher).condense is Matcher.condense:
            return None
        name = json.dumps(to_config(matcher), sort_keys=True)
        with self._lock:
            if self._sequence != state.sequence:
                self._made, self._sequence = {}, state.sequence
            if name not in self._made:
                self._made[name] = _condensed(state, matcher)
            return self._made[name]


def _condensed(state: State, matcher: Matcher) -> CondensedGallery | None:
    rows, _, labels = state.directory.records()
    kept = labels != _UNLABELED
    if state.damaged:
        kept &= ~np.isin(rows, list(state.damaged))
    if not kept.any():
        return CondensedGallery(np.empty(0, dtype=np.int64), np.empty((0, state.recipe.dim), dtype=np.float32))
    found = matcher.condense(labels[kept], _prepared(state, rows[kept]))
    if found is None:
        return None
    names, embeddings = found
    invalid, reason = state.recipe.distance.invalid_rows(embeddings)
    if invalid.any():
        name = to_config(matcher)["name"]
        raise InvalidInputError(f"what '{name}' makes of the records of class {names[np.argmax(invalid)]} {reason}")
    return CondensedGallery(names, state.recipe.distance.prepare(embeddings))


def _prepared(state: State, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the stored embeddings of (n,) rows, prepared, block after block."""
    for start in range(0, len(rows), _READ_AT_ONCE):
        yield state.recipe.distance.prepare(state.embeddings(rows[start : start + _READ_AT_ONCE]))
