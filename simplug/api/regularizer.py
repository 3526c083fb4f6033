"""The contract of regularizers: embeddings or class weights to a penalty."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from simplug.api.numerics import Tensor
from simplug.kernel.component import Component


class Regularizer(Component, ABC):
    """A penalty on vectors: the embeddings of a batch, or the class vectors of a loss with weights."""

    kind: ClassVar[str] = "regularizer"

    @abstractmethod
    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the penalty of (n, d) vectors as a scalar."""


def penalized(value: Tensor, regularizer: Regularizer | None, weight: float, vectors: Tensor) -> Tensor:
    """Return the value of a loss with the weighted penalty on vectors added; as it is where there is no regularizer."""
    return value if regularizer is None else value + weight * regularizer(vectors)
