"""Every regularizer of simplug, through the conformance suite."""

from __future__ import annotations

from typing import Any, ClassVar

from simplug.testing import RegularizerSuite


class TestCenterInvariant(RegularizerSuite):
    name = "center_invariant"


class TestLp(RegularizerSuite):
    name = "lp"
    config: ClassVar[dict[str, Any]] = {"p": 3.0, "power": 2.0}


class TestRegularFace(RegularizerSuite):
    name = "regular_face"


class TestSparseCenters(RegularizerSuite):
    name = "sparse_centers"
    config: ClassVar[dict[str, Any]] = {"num_classes": 4, "centers_per_class": 3}
    rows = 12
    expected_failures: ClassVar[dict[str, str]] = {
        "test_the_order_of_the_rows_does_not_matter": "a row's class is known by its place"
    }


class TestZeroMean(RegularizerSuite):
    name = "zero_mean"
