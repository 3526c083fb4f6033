"""How much effort a search needs to find enough of the true neighbours, measured."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs
import numpy as np

from simplug.index.recipe import Recipe
from simplug.index.state import State
from simplug.kernel.config import to_config
from simplug.kernel.errors import InvalidInputError

_SLACK = 1e-6
"""Distances this much beyond that of the last true neighbour, relatively, are those of neighbours as true."""


@attrs.frozen
class Trial:
    """What was found with one setting.

    Attributes:
        effort: The setting.
        recall: The share of the true neighbours that was found.
        seconds_per_query: The time of a lookup.
    """

    effort: int
    recall: float
    seconds_per_query: float


@attrs.frozen
class Tuning:
    """What a tuning has measured and set.

    Attributes:
        before: The effort before.
        chosen: The trial whose effort was set.
        trials: All trials, by ascending effort.
        queries: How many queries were asked.
        k: How many neighbours each got.
    """

    before: int
    chosen: Trial
    trials: tuple[Trial, ...]
    queries: int
    k: int


@attrs.frozen
class Outcome:
    """A tuning, and the recipe of the index with the setting in it."""

    tuning: Tuning
    recipe: Recipe


def tune(state: State, recall: float, k: int, queries: np.ndarray | None, sample: int, seed: int) -> Outcome:
    """Set the effort of the search to the least that reaches a recall; see :meth:`simplug.Index.tune`."""
    search, name = state.recipe.search, to_config(state.recipe.search)["name"]
    before = search.effort
    if before is None:
        what = "finds the true neighbours already" if search.exact else "has no setting that trades time for recall"
        raise InvalidInputError(f"there is nothing to tune: the search '{name}' {what}")
    if len(state.engine) < 2:
        raise InvalidInputError(f"an index of {len(state.engine)} records cannot be tuned; add records first")
    own = None
    if queries is None:
        rows = state.directory.records()[0]
        own = np.sort(np.random.default_rng(seed).choice(rows, size=min(sample, len(rows)), replace=False))
        queries = state.embeddings(own)
    k = min(k, len(state.engine) - (own is not None))
    queries = state.recipe.distance.prepare(queries)
    farthest = _without(own, *state.measured(queries, k + (own is not None), state.engine.rows()), k)[:, -1:]
    farthest = farthest + _SLACK * np.maximum(np.abs(farthest), 1)

    def trial(effort: int) -> Trial:
        state.engine.tune(effort)
        started = time.perf_counter()
        found = state.search(queries, k + (own is not None))
        seconds = time.perf_counter() - started
        return Trial(effort, float((_without(own, *found, k) <= farthest).mean()), seconds / len(queries))

    trials: dict[int, Trial] = {}
    try:
        effort = _least(lambda effort: trials.setdefault(effort, trial(effort)).recall >= recall, k, len(state.engine))
        if effort is None:
            best = trials[max(trials)]
            raise InvalidInputError(
                f"no effort finds {recall:g} of the true neighbours: {best.effort} finds {best.recall:.3f}; a graph "
                "with more links may, and search='exact' does"
            )
        tuned = search.with_effort(effort)
        state.engine.tune(effort)
    except BaseException:
        state.engine.tune(before)
        raise
    ordered = tuple(trials[effort] for effort in sorted(trials))
    tuning = Tuning(before, trials[effort], ordered, len(queries), k)
    return Outcome(tuning, attrs.evolve(state.recipe, search=tuned))


def _least(enough: Callable[[int], bool], lowest: int, highest: int) -> int | None:
    """Return the least number from `lowest` to `highest` that is enough, to an eighth of its size."""
    low, high = lowest - 1, lowest
    while not enough(high):
        if high >= highest:
            return None
        low, high = high, min(2 * high, highest)
    while high - low > max(1, high // 8):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _without(own: np.ndarray | None, rows: np.ndarray, distances: np.ndarray, k: int) -> np.ndarray:
    """Return the (q, k) distances of neighbours, that of the query itself left out."""
    if own is None:
        return distances
    itself = rows == own[:, None]
    itself[~itself.any(axis=1), -1] = True
    others: np.ndarray = distances[~itself].reshape(len(rows), k)
    return others
