"""Miners one after another."""

from __future__ import annotations

import attrs

from simplug.api import Miner, Pairs, components
from simplug.api.numerics import Tensor


@attrs.frozen
class Chain(Miner):
    """Lets each miner choose among the pairs that the one before it kept.

    A band of triplets that a miner sets is handed on, and can only become narrower. Without any miner all pairs are
    kept.
    """

    miners: tuple[Miner, ...] = components("miner", doc="the miners, the first to choose first")

    @property
    def needs_among(self) -> bool:
        """Whether one of the miners looks at distances between references."""
        return any(miner.needs_among for miner in self.miners)

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return what is left after the last miner."""
        for miner in self.miners:
            pairs = miner(distances, pairs, among)
        return pairs
