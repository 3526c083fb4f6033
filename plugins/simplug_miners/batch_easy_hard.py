"""The miner of one positive and one negative of each anchor, by strategy."""

from __future__ import annotations

from typing import Literal

import attrs

from simplug.api import InvalidInputError, Miner, Pairs, option
from simplug.api.numerics import Tensor
from simplug_miners.masks import BEYOND, farthest, kept, nearest

Strategy = Literal["easy", "semihard", "hard", "all"]

STRATEGIES: tuple[Strategy, ...] = ("easy", "semihard", "hard", "all")


@attrs.frozen
class BatchEasyHard(Miner):
    r"""Keeps the easiest, a semihard or the hardest positive and negative of each anchor.

    ========  =========================================  ===========================================
    strategy  positive                                   negative
    ========  =========================================  ===========================================
    easy      the nearest                                the farthest
    hard      the farthest                               the nearest
    semihard  the farthest that is nearer than the       the nearest that is farther than the chosen
              chosen negative                            positive
    all       every one                                  every one
    ========  =========================================  ===========================================

    With one pair of each kind an anchor must have both, or it keeps nothing; with ``all`` on one side, the other side
    does not depend on it. Pairs at exactly the same distance are kept together, so that the order of the batch has no
    part in it. ``hard`` with ``hard`` is the miner ``batch_hard``; the defaults are the paper's easy positive with a
    semihard negative.

    Xuan, Stylianou, Pless, "Improved Embeddings with Easy Positive Triplet Mining", WACV 2020.
    """

    pos_strategy: Strategy = option("easy", choices=STRATEGIES, doc="which positive of an anchor is kept")
    neg_strategy: Strategy = option("semihard", choices=STRATEGIES, doc="which negative of an anchor is kept")
    allowed_pos_range: tuple[float, float] | None = option(
        None, doc="the smallest and the largest distance at which a positive is looked at; none: any distance"
    )
    allowed_neg_range: tuple[float, float] | None = option(
        None, doc="the smallest and the largest distance at which a negative is looked at; none: any distance"
    )

    def __attrs_post_init__(self) -> None:
        strategies = {self.pos_strategy, self.neg_strategy}
        if strategies == {"semihard"}:
            raise InvalidInputError(
                "pos_strategy and neg_strategy are both 'semihard': each would wait for the other's choice"
            )
        if strategies == {"semihard", "all"}:
            raise InvalidInputError(
                "'semihard' compares with the one pair chosen on the other side, where 'all' chooses none; "
                f"got pos_strategy={self.pos_strategy!r}, neg_strategy={self.neg_strategy!r}"
            )
        for name in ("allowed_pos_range", "allowed_neg_range"):
            limits = getattr(self, name)
            if limits is not None and not limits[0] <= limits[1]:
                raise InvalidInputError(f"{name} must go from a smaller to a larger distance, not {limits}")

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return the chosen pairs."""
        from keras import ops

        positive = _within(self.allowed_pos_range, distances, pairs.positive > 0)
        negative = _within(self.allowed_neg_range, distances, pairs.negative > 0)
        if "all" in (self.pos_strategy, self.neg_strategy):
            if self.pos_strategy != "all":
                positive = ops.equal(distances, self._positive(distances, positive))
            if self.neg_strategy != "all":
                negative = ops.equal(distances, self._negative(distances, negative))
            return kept(pairs, positive, negative)
        if self.pos_strategy == "semihard":
            chosen_negative = self._negative(distances, negative)
            chosen_positive = farthest(distances, positive & (distances < chosen_negative))
        else:
            chosen_positive = self._positive(distances, positive)
            if self.neg_strategy == "semihard":
                negative = negative & (distances > chosen_positive)
            chosen_negative = self._negative(distances, negative)
        both = (ops.abs(chosen_positive) < BEYOND) & (ops.abs(chosen_negative) < BEYOND)
        # No pair has the distance of one that does not exist.
        return kept(
            pairs,
            ops.equal(distances, ops.where(both, chosen_positive, BEYOND)),
            ops.equal(distances, ops.where(both, chosen_negative, BEYOND)),
        )

    def _positive(self, distances: Tensor, mask: Tensor) -> Tensor:
        return nearest(distances, mask) if self.pos_strategy == "easy" else farthest(distances, mask)

    def _negative(self, distances: Tensor, mask: Tensor) -> Tensor:
        return farthest(distances, mask) if self.neg_strategy == "easy" else nearest(distances, mask)


def _within(limits: tuple[float, float] | None, distances: Tensor, mask: Tensor) -> Tensor:
    return mask if limits is None else mask & (distances >= limits[0]) & (distances <= limits[1])
