"""Every loss of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import LossSuite


class TestContrastive(LossSuite):
    name = "contrastive"


class TestMultiSimilarity(LossSuite):
    name = "multi_similarity"


class TestTriplet(LossSuite):
    name = "triplet"
