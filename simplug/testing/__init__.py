"""The conformance kit: a pytest base class for each kind of component.

A plugin author writes three lines, and the whole contract is tested, packaging included, because the component is
found by its name::

    from simplug.testing import LossSuite

    class TestHello(LossSuite):
        name = "hello"

Importing this package imports pytest and the kernel alone: every pytest run beside an installed simplug does so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from simplug.testing.augmenter import AugmenterSuite as AugmenterSuite
    from simplug.testing.backbone import BackboneSuite as BackboneSuite
    from simplug.testing.component import ComponentSuite as ComponentSuite
    from simplug.testing.dataset import DatasetSuite as DatasetSuite
    from simplug.testing.distance import DistanceSuite as DistanceSuite
    from simplug.testing.loss import LossSuite as LossSuite
    from simplug.testing.matcher import MatcherSuite as MatcherSuite
    from simplug.testing.metric import MetricSuite as MetricSuite
    from simplug.testing.miner import MinerSuite as MinerSuite
    from simplug.testing.reducer import ReducerSuite as ReducerSuite
    from simplug.testing.regularizer import RegularizerSuite as RegularizerSuite
    from simplug.testing.sampler import SamplerSuite as SamplerSuite
    from simplug.testing.search import SearchSuite as SearchSuite
    from simplug.testing.store import StoreSuite as StoreSuite
else:
    from simplug.kernel.lazy import lazy_names

    # Loaded when a suite is first asked for, because the contracts import NumPy.
    _SUITES = {
        "simplug.testing.augmenter": ["AugmenterSuite"],
        "simplug.testing.backbone": ["BackboneSuite"],
        "simplug.testing.component": ["ComponentSuite"],
        "simplug.testing.dataset": ["DatasetSuite"],
        "simplug.testing.distance": ["DistanceSuite"],
        "simplug.testing.loss": ["LossSuite"],
        "simplug.testing.matcher": ["MatcherSuite"],
        "simplug.testing.metric": ["MetricSuite"],
        "simplug.testing.miner": ["MinerSuite"],
        "simplug.testing.reducer": ["ReducerSuite"],
        "simplug.testing.regularizer": ["RegularizerSuite"],
        "simplug.testing.sampler": ["SamplerSuite"],
        "simplug.testing.search": ["SearchSuite"],
        "simplug.testing.store": ["StoreSuite"],
    }
    __all__, __getattr__, __dir__ = lazy_names(__name__, _SUITES)

    # pytest explains a failed assert with its values only in modules that it was told of before their import.
    pytest.register_assert_rewrite(*_SUITES)
