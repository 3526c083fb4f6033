"""Every search of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import SearchSuite


class TestExact(SearchSuite):
    name = "exact"


class TestHnsw(SearchSuite):
    name = "hnsw"


class TestAuto(SearchSuite):
    name = "auto"
    # Some of the suite's galleries are searched exactly, others by the graph.
    config = {"limit": 50}  # noqa: RUF012
