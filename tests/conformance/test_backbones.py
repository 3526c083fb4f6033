"""Every backbone of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import BackboneSuite


class TestMlp(BackboneSuite):
    name = "mlp"


class TestSmallCnn(BackboneSuite):
    name = "small_cnn"
