"""Every reducer of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import ReducerSuite


class TestMean(ReducerSuite):
    name = "mean"


class TestMeanNonzero(ReducerSuite):
    name = "mean_nonzero"
