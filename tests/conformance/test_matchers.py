"""Every matcher of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import MatcherSuite


class TestDistanceWeightedVote(MatcherSuite):
    name = "distance_weighted_vote"


class TestMajorityVote(MatcherSuite):
    name = "majority_vote"


class TestNearest(MatcherSuite):
    name = "nearest"


class TestPrototype(MatcherSuite):
    name = "prototype"
