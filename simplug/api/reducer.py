"""The contract of reducers: per-element losses and their weights to a scalar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from simplug.api.numerics import Tensor
from simplug.api.pairs import Term
from simplug.kernel.component import Component


class Reducer(Component, ABC):
    """Turns each term of a loss into a scalar; the loss is their sum."""

    kind: ClassVar[str] = "reducer"

    @abstractmethod
    def reduce(self, term: Term) -> Tensor:
        """Return one term as a scalar; 0, with gradient 0, when all its weights are 0."""

    def __call__(self, terms: Mapping[str, Term]) -> Tensor:
        """Return the sum of the reduced terms."""
        first, *rest = [self.reduce(term) for term in terms.values()]
        for value in rest:
            first = first + value
        return first
