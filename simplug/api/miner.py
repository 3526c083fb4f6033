"""The contract of miners: a distance matrix and pairs to the pairs worth learning from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from simplug.api.numerics import Tensor
from simplug.api.pairs import Pairs
from simplug.kernel.component import Component


class Miner(Component, ABC):
    """Chooses among pairs: weights in, weights of the same shape out.

    A miner of triplets keeps the pairs that are in one of its triplets, and says with :attr:`Pairs.band` which
    triplets these are.
    """

    kind: ClassVar[str] = "miner"

    @property
    def needs_among(self) -> bool:
        """Whether it looks at distances between references; most do not."""
        return False

    @abstractmethod
    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the pairs to keep.

        Args:
            distances: (n, m), without gradient.
            pairs: The pairs to choose from; a pair with weight 0 must keep it.
            among: (m, m) distances between the references, where they are not the anchors; only given to a miner
                with `needs_among`. None stands for `distances` itself.
        """
