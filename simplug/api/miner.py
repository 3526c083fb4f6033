"""The contract of miners: a distance matrix and pairs to the pairs worth learning from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from simplug.api.numerics import Tensor
from simplug.api.pairs import Pairs
from simplug.kernel.component import Component


class Miner(Component, ABC):
    """Chooses among pairs: weights in, weights of the same shape out."""

    kind: ClassVar[str] = "miner"

    @abstractmethod
    def __call__(self, distances: Tensor, pairs: Pairs) -> Pairs:
        """Return the pairs to keep.

        Args:
            distances: (n, m), without gradient.
            pairs: The pairs to choose from; a pair with weight 0 must keep it.
        """
