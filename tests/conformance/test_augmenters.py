"""Every augmenter of simplug, through the conformance suite."""

from __future__ import annotations

from typing import ClassVar

from simplug.testing import AugmenterSuite


class TestBarlowTwins(AugmenterSuite):
    name = "barlow_twins"


class TestChain(AugmenterSuite):
    name = "chain"
    config: ClassVar = {"augmenters": ["rotated_classes", "image_basic", "simclr"]}


class TestElastic(AugmenterSuite):
    name = "elastic"


class TestImageBasic(AugmenterSuite):
    name = "image_basic"


class TestJoinedClasses(AugmenterSuite):
    name = "joined_classes"


class TestRandAugment(AugmenterSuite):
    name = "randaugment"


class TestRotatedClasses(AugmenterSuite):
    name = "rotated_classes"


class TestSimClr(AugmenterSuite):
    name = "simclr"
