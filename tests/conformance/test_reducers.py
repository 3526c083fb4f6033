"""Every reducer of simplug, through the conformance suite."""

from __future__ import annotations

from typing import Any, ClassVar

from simplug.testing import ReducerSuite


class TestClassWeighted(ReducerSuite):
    name = "class_weighted"
    config: ClassVar[dict[str, Any]] = {"weights": [0.5, 2.0]}


class TestDivisor(ReducerSuite):
    name = "divisor"


class TestMean(ReducerSuite):
    name = "mean"


class TestMeanNonzero(ReducerSuite):
    name = "mean_nonzero"


class TestNone(ReducerSuite):
    name = "none"


class TestPerAnchor(ReducerSuite):
    name = "per_anchor"


class TestSum(ReducerSuite):
    name = "sum"


class TestThreshold(ReducerSuite):
    name = "threshold"
