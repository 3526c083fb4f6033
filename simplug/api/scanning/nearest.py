"""The nearest rows so far."""

from __future__ import annotations

import numpy as np

from simplug.api.scanning.ordering import ordered


class Nearest:
    """The k nearest rows of some queries, while more arrive.

    Distances are compared as they are returned, in float32; equal ones stay in the order in which they arrive.

    Attributes:
        limits: (q,) float64; a value of a later row that is not below has no place among the k nearest. None while a
            query may have fewer than k. Whoever knows k such values of each query may lower it before they are pushed.
    """

    def __init__(self, queries: int, k: int) -> None:
        self._queries = queries
        self._k = k
        self._pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._room = queries * k
        self.limits: np.ndarray | None = None

    def push(self, which: np.ndarray, rows: np.ndarray, values: np.ndarray, distances: np.ndarray) -> None:
        """Take in (n,) pairs: all of some rows, or those that may be among the k nearest.

        Args:
            which: The number of each pair's query.
            rows: Its row; for each query ascending, and higher than all pushed before.
            values: Something that the distance never falls with, in float64.
            distances: The distance, in float32.
        """
        self._pairs.append((which, rows, values, distances))
        self._room -= len(rows)
        if self._room <= 0:
            which, rows, values, distances = self._nearest()
            self._pairs, self._room = [(which, rows, values, distances)], self._queries * self._k
            self.limits = values[self._k - 1 :: self._k]

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (q, k) rows and float32 distances as :meth:`simplug.api.Engine.search` does."""
        if self.limits is None:
            every = np.repeat(np.arange(self._queries), self._k)
            nothing, unfilled = np.full(len(every), -1, dtype=np.int64), np.full(len(every), np.inf)
            self._pairs.append((every, nothing, unfilled, unfilled.astype(np.float32)))
        _, rows, _, distances = self._nearest() if len(self._pairs) > 1 else self._pairs[0]
        return rows.reshape(-1, self._k), distances.reshape(-1, self._k)

    def _nearest(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the k nearest pairs of each query, of which each has as many at least."""
        pairs = self._pairs[0]
        if len(self._pairs) > 1:
            which, rows, values, distances = (np.concatenate(column) for column in zip(*self._pairs, strict=True))
        else:
            which, rows, values, distances = pairs
        if self._queries == 1:
            chosen = distances.argsort(kind="stable")[: self._k]
        else:
            counts = np.bincount(which)
            starts = np.cumsum(counts) - counts
            chosen = ordered(which, distances)[(starts[:, None] + np.arange(self._k)).ravel()]
        return which[chosen], rows[chosen], values[chosen], distances[chosen]
