"""The contract of reducers: per-element losses and their weights to a scalar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from simplug.api.numerics import Tensor
from simplug.api.pairs import Term
from simplug.kernel.component import Component


class Reducer(Component, ABC):
    """Turns each term of a loss into a scalar; the loss is their sum.

    Attributes:
        scalar: False for a reducer that keeps one value an anchor; no model can be trained with it.
    """

    kind: ClassVar[str] = "reducer"
    scalar: ClassVar[bool] = True

    @abstractmethod
    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return one term as a scalar; 0, with gradient 0, when all its weights are 0.

        Args:
            term: Values and weights.
            labels: (n,) labels of the anchors, the rows of the term; None where they are not known.
        """

    def __call__(self, terms: Mapping[str, Term], labels: Tensor | None = None) -> Tensor:
        """Return the sum of the reduced terms."""
        first, *rest = [self.reduce(term, labels) for term in terms.values()]
        for value in rest:
            first = first + value
        return first
