"""Every sampler of simplug, through the conformance suite."""

from __future__ import annotations

from typing import ClassVar

from simplug.testing import SamplerSuite


class TestCategoryBalanced(SamplerSuite):
    name = "category_balanced"
    config: ClassVar = {"classes_per_group": 2}


class TestClassBalanced(SamplerSuite):
    name = "class_balanced"


class TestDistributed(SamplerSuite):
    name = "distributed"
    config: ClassVar = {"replicas": 2, "replica": 1}


class TestFixedTriplets(SamplerSuite):
    name = "fixed_triplets"


class TestHardClass(SamplerSuite):
    name = "hard_class"


class TestHierarchical(SamplerSuite):
    name = "hierarchical"


class TestSingleShot(SamplerSuite):
    name = "single_shot"
