"""The conformance kit: a pytest base class for each kind of component.

A plugin author writes three lines, and the whole contract is tested, packaging included, because the component is
found by its name::

    from simplug.testing import LossSuite

    class TestHello(LossSuite):
        name = "hello"

Importing this package imports pytest and the kernel alone: every pytest run beside an installed simplug does so.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_SUITES = {
    "AugmenterSuite": "augmenter",
    "BackboneSuite": "backbone",
    "ComponentSuite": "component",
    "DatasetSuite": "dataset",
    "DistanceSuite": "distance",
    "LossSuite": "loss",
    "MatcherSuite": "matcher",
    "MetricSuite": "metric",
    "MinerSuite": "miner",
    "ReducerSuite": "reducer",
    "RegularizerSuite": "regularizer",
    "SamplerSuite": "sampler",
    "SearchSuite": "search",
    "StoreSuite": "store",
}
"""The module of each suite; loaded when the suite is first asked for, because the contracts import NumPy."""

__all__ = [
    "AugmenterSuite",
    "BackboneSuite",
    "ComponentSuite",
    "DatasetSuite",
    "DistanceSuite",
    "LossSuite",
    "MatcherSuite",
    "MetricSuite",
    "MinerSuite",
    "ReducerSuite",
    "RegularizerSuite",
    "SamplerSuite",
    "SearchSuite",
    "StoreSuite",
]

# pytest explains a failed assert with its values only in modules that it was told of before their import.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _SUITES.values()))


def __getattr__(name: str) -> Any:
    if name not in _SUITES:
        raise AttributeError(f"module 'simplug.testing' has no attribute {name!r}")
    suite = getattr(import_module(f"simplug.testing.{_SUITES[name]}"), name)
    globals()[name] = suite
    return suite


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
