"""Every search of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import SearchSuite


class TestExact(SearchSuite):
    name = "exact"


class TestHnsw(SearchSuite):
    name = "hnsw"
