"""Every distance of simplug, through the conformance suite."""

from __future__ import annotations

from typing import Any, ClassVar

from simplug.testing import DistanceSuite


class TestCosine(DistanceSuite):
    name = "cosine"


class TestEuclidean(DistanceSuite):
    name = "euclidean"


class TestInnerProduct(DistanceSuite):
    name = "inner_product"


class TestLp(DistanceSuite):
    name = "lp"
    config: ClassVar[dict[str, Any]] = {"p": 3.0}


class TestManhattan(DistanceSuite):
    name = "manhattan"


class TestSignalToNoise(DistanceSuite):
    name = "snr"


class TestSquaredEuclidean(DistanceSuite):
    name = "squared_euclidean"
