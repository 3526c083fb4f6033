"""Exact search while records are few, a graph when they are many: the component."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs

from simplug.api import Distance, Engine, Search, component, option


@attrs.frozen
class Auto(Search):
    """Measures all distances while records are few, and changes to a graph when they are many.

    Up to some thousands of records exact search is no slower than a graph, and a graph of few records finds less than
    one of many. A graph is kept when records become fewer again. A distance that the graph cannot serve is searched
    exactly, however many records there are.
    """

    persistent: ClassVar[bool] = True
    spaces: ClassVar[frozenset[str] | None] = None

    limit: int = option(5000, ge=0, doc="how many records are searched exactly")
    few: Search = component(
        "search", default="exact", doc="the search of up to `limit` records; it serves any distance"
    )
    many: Search = component("search", default="hnsw", doc="the search of more records")

    @property
    def effort(self) -> int | None:
        """That of the search of many records."""
        return self.many.effort

    def with_effort(self, effort: int) -> Search:
        """Return this search with another effort of the search of many records."""
        return attrs.evolve(self, many=self.many.with_effort(effort))

    @property
    def coarse(self) -> int:
        """That of the search which needs more."""
        return max(self.few.coarse, self.many.coarse)

    def create(self, dim: int, distance: Distance) -> Engine:
        """Return an empty structure for vectors of dimension `dim`."""
        from simplug_auto.engine import AutoEngine

        return AutoEngine(self, dim, distance)

    def load(self, folder: Path, dim: int, distance: Distance) -> Engine:
        """Return the structure that was saved in `folder`."""
        from simplug_auto.engine import load_engine

        return load_engine(self, folder, dim, distance)
