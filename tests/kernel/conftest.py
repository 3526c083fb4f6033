"""Components that the tests of the kernel define, register and take back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import attrs
import pytest

import simplug
from simplug.api import Matcher, Reducer, component, components, option
from simplug.kernel.plugins import plugins


@attrs.frozen
class Halve(Reducer):
    """Half of the sum."""

    factor: float = option(0.5, gt=0, le=1, doc="what the sum is multiplied by")

    def reduce(self, term: Any) -> Any:
        return term


@attrs.frozen
class Everything(Reducer):
    """Every type of setting that a config can hold."""

    flag: bool = option(True, doc="a flag")
    count: int = option(3, ge=1, le=100, doc="a count")
    ratio: float = option(0.5, ge=-10, le=10, doc="a ratio")
    title: str = option("plain", doc="a text")
    slug: str = option("abc", pattern="[a-z]+", doc="a text with a pattern")
    mode: Literal["fast", "slow"] = option("fast", doc="one of two")
    level: str = option("low", choices=("low", "high"), doc="one of two, by choices")
    limit: int | None = option(None, ge=0, doc="a count or none")
    size: int | str = option(1, doc="a count or a text")
    shape: tuple[int, int] = option((1, 2), ge=1, doc="two counts")
    weights: tuple[float, ...] = option((), ge=0, doc="any number of weights")
    names: list[str] = attrs.field(factory=list)
    table: dict[str, float] = attrs.field(factory=dict)
    inner: Reducer = component("reducer", default="halve", doc="a nested one")
    other: Reducer | None = component("reducer", default=None, doc="a nested one or none")
    several: tuple[Reducer, ...] = components("reducer", doc="any number of nested ones")

    def reduce(self, term: Any) -> Any:
        return term


@attrs.frozen
class Needy(Reducer):
    """Has a setting without a default."""

    amount: int = option(doc="how many")

    def reduce(self, term: Any) -> Any:
        return term


@attrs.frozen
class Plain(Reducer):
    """Declares its fields with attrs alone, as a third party might."""

    amount: int = attrs.field(default=1, validator=attrs.validators.gt(0))
    label: str = attrs.field(default="x", validator=attrs.validators.in_(["x", "y"]))

    def reduce(self, term: Any) -> Any:
        return term


@attrs.frozen
class First(Matcher):
    """The first neighbour."""

    def match(self, labels: Any, distances: Any) -> Any:
        return labels, distances


@pytest.fixture
def reducers() -> Iterator[Any]:
    """The registry of reducers with the classes of this file: halve, everything, needy, plain."""
    classes = {"halve": Halve, "everything": Everything, "needy": Needy, "plain": Plain}
    for name, cls in classes.items():
        simplug.reducers.register(name, cls)
    yield simplug.reducers
    for name in classes:
        simplug.reducers.unregister(name)


@pytest.fixture
def first_matcher() -> type[Matcher]:
    """A component of another kind, not registered."""
    return First


@pytest.fixture
def plugin() -> Iterator[Any]:
    """Register plugin objects that are taken away after the test."""
    added = []

    def register(instance: object, name: str | None = None) -> object:
        plugins.register(instance, name)
        added.append(instance)
        return instance

    yield register
    for instance in added:
        plugins.unregister(instance)
