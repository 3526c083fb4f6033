"""How far a score may be off because of which examples happened to be in the test: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np

from simplug.kernel.errors import InvalidInputError

_DRAWN = 1 << 21
"""How many draws are in memory at once."""


@attrs.frozen(eq=False)
class Sample:
    """What some scores were made of, so that they can be made again of other draws of it.

    Attributes:
        size: How many units there are to draw from, such as queries.
        scores: Given (b, size) float64 weights, how often each unit was drawn, it returns (b,) scores by the label of
            their metric; NaN where a draw cannot be scored.
    """

    size: int
    scores: Callable[[np.ndarray], Mapping[str, np.ndarray]]


def bootstrap(
    sample: Sample, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    r"""Return the percentile bootstrap interval of each score.

    As many units as there are, are drawn with replacement, again and again. The interval goes from the
    :math:`(1 - level) / 2` quantile of the scores of these draws to the :math:`(1 + level) / 2` quantile: Efron and
    Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. With one unit it has no width; with fewer than
    some 20 it is too narrow. Draws that cannot be scored are left out.

    The draws are made in blocks, so that memory does not grow with their number.

    Args:
        sample: What is drawn from.
        level: The share of the draws that the interval holds, between 0 and 1.
        resamples: How many draws are made.
        seed: The same seed gives the same intervals.

    Returns:
        The lower and the upper end by the label of the metric.

    Raises:
        InvalidInputError: The level is not between 0 and 1, there is nothing to draw from, or no draw is wanted.
    """
    if not 0 < level < 1:
        raise InvalidInputError(f"level is {level!r}; it is a share between 0 and 1, such as 0.95")
    if isinstance(resamples, bool) or not isinstance(resamples, int | np.integer) or resamples < 1:
        raise InvalidInputError(f"resamples is {resamples!r}; it is an integer from 1, such as 1000")
    if sample.size < 1:
        raise InvalidInputError("there is nothing to draw from")
    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWN // sample.size)
    drawn: dict[str, list[np.ndarray]] = {}
    for start in range(0, resamples, at_once):
        weights = _weights(rng, min(at_once, resamples - start), sample.size)
        for label, scores in sample.scores(weights).items():
            drawn.setdefault(label, []).append(scores)
    ends = ((1 - level) / 2, (1 + level) / 2)
    return {label: _quantiles(np.concatenate(scores), ends) for label, scores in drawn.items()}


def _weights(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Return (count, size) float64 numbers of times that each unit was drawn."""
    # Counting draws takes a tenth of the time of NumPy's multinomial, which has the same distribution.
    draws = rng.integers(size, size=(count, size))
    draws += size * np.arange(count)[:, np.newaxis]
    return np.bincount(draws.ravel(), minlength=count * size).reshape(count, size).astype(np.float64)


def _quantiles(scores: np.ndarray, ends: tuple[float, float]) -> tuple[float, float]:
    kept = scores[~np.isnan(scores)]
    low, high = np.quantile(kept, ends).tolist() if kept.size else (np.nan, np.nan)
    return float(low), float(high)
