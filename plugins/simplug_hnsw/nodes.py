"""Which rows a node of the graph stands for: rows with the same vector share one.

A graph in which many nodes lie at one place is hard to leave and hard to enter: half of 10,000 rows being equal costs
half of the recall. So equal vectors, compared bit by bit, become one node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from simplug.api.intmap import IntMap

_SEED = 20_160_331
_BLOCK = 8192
_REMOVED, _SHARED, _CONTENT = "removed.npy", "shared.npy", "content.npy"

VectorsOf = Callable[[np.ndarray], np.ndarray]
"""Gives the (n, d) vectors of (n,) nodes that are not marked as removed."""


class Nodes:
    """The rows of each node, as far as they are not just the one that the node came with.

    Attributes:
        removed: Nodes without a row.
        duplicates: How many more rows than nodes with a row there are.
    """

    def __init__(self) -> None:
        self.removed: set[int] = set()
        self.duplicates = 0
        self._rows: dict[int, dict[int, None]] = {}  # the rows of a shared node, ascending
        self._node: dict[int, int] = {}  # the node of a row, where it is not named after the row
        self._by_content = IntMap(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

    def add(self, rows: np.ndarray, vectors: np.ndarray, vectors_of: VectorsOf) -> np.ndarray:
        """Give new rows a node each.

        Args:
            rows: (n,) ascending rows above all others.
            vectors: (n, d) their vectors, prepared.
            vectors_of: Gives the vectors of nodes.

        Returns:
            The places in `rows` of those that become nodes of their own.
        """
        contents = _contents(vectors)
        _, first, inverse = np.unique(contents, return_index=True, return_inverse=True)
        first_alike = first[inverse.reshape(-1)]
        node = self._by_content.find(contents)
        known = np.flatnonzero(node >= 0)
        # A hash is a hint: whether two vectors are equal is for their bits to say.
        known = known[(vectors_of(node[known]) == vectors[known]).all(axis=1)]
        later = np.flatnonzero((node < 0) & (first_alike != np.arange(len(rows))))
        later = later[(vectors[first_alike[later]] == vectors[later]).all(axis=1)]
        is_fresh = np.ones(len(rows), dtype=bool)
        is_fresh[known] = is_fresh[later] = False
        named = is_fresh & (node < 0) & (first_alike == np.arange(len(rows)))
        self._by_content.add(contents[named], rows[named])
        node[later] = rows[first_alike[later]]
        for place in np.flatnonzero(~is_fresh).tolist():
            self._share(int(rows[place]), int(node[place]))
        return np.flatnonzero(is_fresh)

    def remove(self, rows: np.ndarray, vectors_of: VectorsOf) -> list[int]:
        """Take (n,) rows away, and return the nodes that have no row any more."""
        emptied = []
        for row in rows.tolist():
            node = self._node.pop(row, row)
            sharing = self._rows.get(node)
            if sharing is not None:
                del sharing[row]
                if sharing:
                    self.duplicates -= 1
                if not sharing or sharing.keys() == {node}:
                    del self._rows[node]
            if not sharing:
                emptied.append(node)
        nodes = np.array(emptied, dtype=np.int64)
        contents = _contents(vectors_of(nodes))
        self._by_content.remove(contents[self._by_content.find(contents) == nodes])
        self.removed.update(emptied)
        return emptied

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the nodes of (n,) live rows."""
        if not self._node:
            return rows
        return np.array([self._node.get(row, row) for row in rows.tolist()], dtype=np.int64)

    def live(self, nodes: np.ndarray) -> np.ndarray:
        """Return those that have a row, ascending, of all (n,) nodes of the graph."""
        nodes = np.sort(nodes)
        return np.setdiff1d(nodes, _array(self.removed), assume_unique=True) if self.removed else nodes

    def rows(self, nodes: np.ndarray) -> np.ndarray:
        """Return all live rows, ascending, given all (n,) nodes of the graph."""
        live = self.live(nodes)
        if not self._rows:
            return live
        plain = np.setdiff1d(live, _array(self._rows), assume_unique=True)
        shared = [row for sharing in self._rows.values() for row in sharing]
        return np.sort(np.concatenate([plain, np.array(shared, dtype=np.int64)]))

    @property
    def are_rows(self) -> bool:
        """Whether every node stands for the row that it is named after."""
        return not self._rows

    def spread(self, nodes: np.ndarray, distances: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows instead of nodes.

        Args:
            nodes: (q, m) nodes, nearest first; m is k, or that of all live nodes if they are fewer.
            distances: (q, m) float32.
            k: How many rows are wanted, at most as many as there are.

        Returns:
            (q, k) rows, nearest first, equal distances in the order of rows, and their distances.
        """
        rows = np.empty((len(nodes), k), dtype=np.int64)
        spread = np.empty((len(nodes), k), dtype=np.float32)
        for i, (found, far) in enumerate(zip(nodes.tolist(), distances.tolist(), strict=True)):
            places = sorted((d, row) for node, d in zip(found, far, strict=True) for row in self._first_rows(node, k))
            spread[i], rows[i] = zip(*places[:k], strict=True)
        return rows, spread

    def _first_rows(self, node: int, k: int) -> Iterable[int]:
        sharing = self._rows.get(node)
        return (node,) if sharing is None else islice(sharing, k)

    def _share(self, row: int, node: int) -> None:
        self._rows.setdefault(node, {node: None})[row] = None
        self._node[row] = node
        self.duplicates += 1

    def save(self, folder: Path) -> None:
        """Write which rows the nodes have, and which nodes hold which vectors."""
        shared = [(row, node) for node, sharing in self._rows.items() for row in sharing]
        np.save(folder / _REMOVED, np.sort(_array(self.removed)), allow_pickle=False)
        np.save(folder / _SHARED, np.array(shared, dtype=np.int64).reshape(-1, 2), allow_pickle=False)
        np.save(folder / _CONTENT, np.stack(self._by_content.items()), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Nodes:
        """Return what :meth:`save` wrote.

        Raises:
            OSError: A file is missing.
            ValueError: A file is damaged.
        """
        nodes = cls()
        nodes.removed = set(np.load(folder / _REMOVED, allow_pickle=False).tolist())
        for row, node in np.load(folder / _SHARED, allow_pickle=False).tolist():
            nodes._rows.setdefault(node, {})[row] = None
            if row != node:
                nodes._node[row] = node
        nodes.duplicates = sum(len(sharing) - 1 for sharing in nodes._rows.values())
        nodes._by_content = IntMap(*np.load(folder / _CONTENT, allow_pickle=False))
        return nodes


def _contents(vectors: np.ndarray) -> np.ndarray:
    """Return a hash of each of (n, d) float32 vectors, as (n,) int64: a random linear function of their bits."""
    factors = np.random.default_rng(_SEED).integers(2**63, size=vectors.shape[1], dtype=np.uint64) * 2 + 1
    hashes = np.empty(len(vectors), dtype=np.uint64)
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        hashes[part] = vectors[part].view(np.uint32).astype(np.uint64) @ factors
    return (hashes ^ (hashes >> np.uint64(32))).view(np.int64)


def _array(numbers: Collection[int]) -> np.ndarray:
    return np.fromiter(numbers, dtype=np.int64, count=len(numbers))
