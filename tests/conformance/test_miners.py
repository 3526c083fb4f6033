"""Every miner of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import MinerSuite


class TestMultiSimilarity(MinerSuite):
    name = "multi_similarity"
