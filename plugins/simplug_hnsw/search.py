"""Graph search with hnswlib: the component. What it builds is in :mod:`simplug_hnsw.engine`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs

from simplug.api import Distance, Engine, Search, option


@attrs.frozen
class Hnsw(Search):
    """Approximate search in a hierarchical navigable small world graph (hnswlib).

    Recall depends on the data and on `ef`; no recall is promised. Searching costs about the logarithm of the number of
    records, building about 0.4 ms a record. Records with the same embedding share a node, so that collapsed embeddings
    do not spoil the graph. With `threads` of 1 the same additions give the same graph, byte for byte.

    Reference: Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using Hierarchical
    Navigable Small World graphs, 2016.
    """

    exact: ClassVar[bool] = False
    persistent: ClassVar[bool] = True
    spaces: ClassVar[frozenset[str] | None] = frozenset({"l2", "ip"})

    m: int = option(16, ge=2, le=256, doc="links of each node; more find more and take more memory")
    ef_construction: int = option(200, ge=1, le=100_000, doc="candidates kept while a node is linked")
    ef: int = option(64, ge=1, le=100_000, doc="candidates kept while searching; at least k are kept whatever it is")
    seed: int = option(100, ge=0, le=2**31 - 1, doc="the seed of the levels of the nodes")
    threads: int = option(1, ge=1, le=1024, doc="threads that build; with more than 1 each build gives another graph")

    @property
    def effort(self) -> int:
        """`ef`."""
        return self.ef

    def with_effort(self, effort: int) -> Search:
        """Return this search with another `ef`."""
        return attrs.evolve(self, ef=effort)

    def create(self, dim: int, distance: Distance) -> Engine:
        """Return an empty graph for vectors of dimension `dim`."""
        from simplug_hnsw.engine import new_engine

        return new_engine(self, dim, distance)

    def load(self, folder: Path, dim: int, distance: Distance) -> Engine:
        """Return the graph that was saved in `folder`."""
        from simplug_hnsw.engine import load_engine

        return load_engine(self, folder, dim, distance)
