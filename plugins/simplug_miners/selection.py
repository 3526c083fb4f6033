"""The smallest values of each row without sorting it."""

from __future__ import annotations

from simplug.api.numerics import Tensor
from simplug_miners.masks import BEYOND, farthest, nearest


def smallest(values: Tensor, mask: Tensor, count: Tensor) -> Tensor:
    """Return which entries are among the smallest of their row, as a mask; ties at the last place are all in.

    A bound is bisected, for all rows side by side, until it has the right number of entries below it, or stands on
    the value at the last place. That takes some twenty passes, where sorting costs as much as forty to a hundred.

    Args:
        values: (r, c); smaller than BEYOND.
        mask: (r, c) booleans: the entries to choose from.
        count: (r, 1) how many of each row, as numbers of the dtype of `values`; all of them, where they are fewer.
    """
    from keras import ops

    values, mask, count = map(ops.stop_gradient, (values, mask, count))
    candidates = ops.where(mask, values, BEYOND)

    def below(bound: Tensor) -> Tensor:
        return ops.sum(ops.cast(candidates <= bound, values.dtype), axis=1, keepdims=True)

    high = farthest(values, mask)
    in_row = below(high)
    count = ops.minimum(count, in_row)
    least = nearest(values, mask)
    # Below the least by as much as the row is wide, so that no entry is at or below the lower bound.
    low = ops.where(count > 0, least - (high - least), -BEYOND)
    high = ops.where(count > 0, high, -BEYOND)
    # What is not open any more is not moved any more.
    is_open = in_row > count

    def halve(low: Tensor, high: Tensor, is_open: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        middle = low + (high - low) / 2
        found = below(middle)
        enough = found >= count
        is_open = is_open & (middle > low) & (middle < high)
        low, high = ops.where(is_open & ~enough, middle, low), ops.where(is_open & enough, middle, high)
        return low, high, is_open & (found != count)

    _, bound, _ = ops.while_loop(lambda low, high, is_open: ops.any(is_open), halve, (low, high, is_open))
    return candidates <= bound
