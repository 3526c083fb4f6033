"""Every store of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import StoreSuite


class TestLmdb(StoreSuite):
    name = "lmdb"


class TestMemory(StoreSuite):
    name = "memory"
