"""Every miner of simplug, through the conformance suite."""

from __future__ import annotations

from typing import Any, ClassVar

from simplug.testing import MinerSuite


class TestAngular(MinerSuite):
    name = "angular"


class TestBatchEasyHard(MinerSuite):
    name = "batch_easy_hard"
    config: ClassVar[dict[str, Any]] = {"allowed_pos_range": [0.0, 2.0]}
    expected_failures: ClassVar[dict[str, str]] = {
        "test_hard_pairs_are_kept": "a semihard negative is farther than the positive, and here none is"
    }


class TestBatchHard(MinerSuite):
    name = "batch_hard"


class TestChain(MinerSuite):
    name = "chain"
    config: ClassVar[dict[str, Any]] = {"miners": ["angular", "triplet_margin"]}


class TestDistanceWeighted(MinerSuite):
    name = "distance_weighted"
    config: ClassVar[dict[str, Any]] = {"embedding_dim": 8}


class TestHdc(MinerSuite):
    name = "hdc"


class TestMultiSimilarity(MinerSuite):
    name = "multi_similarity"


class TestPairMargin(MinerSuite):
    name = "pair_margin"


class TestTripletMargin(MinerSuite):
    name = "triplet_margin"


class TestUniformHistogram(MinerSuite):
    name = "uniform_histogram"
    config: ClassVar[dict[str, Any]] = {"num_bins": 5, "pos_per_bin": 2, "neg_per_bin": 2}
