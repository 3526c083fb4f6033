"""Every sampler of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import SamplerSuite


class TestClassBalanced(SamplerSuite):
    name = "class_balanced"
