"""Every augmenter of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import AugmenterSuite


class TestImageBasic(AugmenterSuite):
    name = "image_basic"
