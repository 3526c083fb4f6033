"""Scores of telling queries of known classes from queries of others, by the distance of their match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplug.api.metric import OpenSetMetric
from simplug.evaluation.checking import built_metrics, require_lengths
from simplug.evaluation.intervals import Sample
from simplug.evaluation.matches import checked_distances
from simplug.evaluation.scores import Scores
from simplug.kernel.errors import InvalidInputError


def evaluate_open_set(
    distances: Any,
    known: Any,
    right: Any,
    metrics: Sequence[Any] = ("unknown_auroc", "detection@false_alarm", "identification@false_alarm"),
) -> Scores:
    """Score how well the distance of the match tells known queries from unknown ones.

    Intervals draw queries.

    Args:
        distances: (q,) distances of the matches, the larger the more unknown; inf where a query has no match.
        known: (q,) booleans: whether the gallery holds the query's class.
        right: (q,) booleans: whether the match has the query's label.
        metrics: Open set metrics, by name such as ``"unknown_auroc"``, as tables or instances.

    Returns:
        The score of each metric by its label, with intervals on request.

    Raises:
        InvalidInputError: The arrays do not fit together, a distance is NaN or minus infinity, an unknown query has a
            right match, no query is known or none unknown, or a metric has another task.
    """
    built = built_metrics(metrics, OpenSetMetric)
    measured = checked_distances("distances", distances)
    holds, matched = _booleans("known", known), _booleans("right", right)
    require_lengths(distances=measured, known=holds, right=matched)
    require_known_and_unknown(holds)
    wrong = np.flatnonzero(matched & ~(holds & np.isfinite(measured)))
    if wrong.size:
        reason = "has no match" if holds[wrong[0]] else "is of a class that the gallery does not hold"
        raise InvalidInputError(f"right[{wrong[0]}] is true, but the query {reason} ({wrong.size} such queries)")

    def of_draws(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        scores = {label: np.full(len(weights), np.nan) for label in built}
        for draw, weight in enumerate(weights):
            drawn = np.repeat(np.arange(len(weight)), weight.astype(np.int64))
            if holds[drawn].any() and not holds[drawn].all():
                for label, metric in built.items():
                    scores[label][draw] = metric.score(measured[drawn], holds[drawn], matched[drawn])
        return scores

    return Scores(
        {label: metric.score(measured, holds, matched) for label, metric in built.items()},
        Sample(len(measured), of_draws),
    )


def require_known_and_unknown(known: np.ndarray) -> None:
    """Refuse queries of which none is known, or none unknown.

    Args:
        known: (q,) booleans: whether the gallery holds the query's class.
    """
    if not known.any():
        raise InvalidInputError(
            f"none of the {len(known)} queries is known: the gallery holds the class of none of them"
        )
    if known.all():
        raise InvalidInputError(
            f"none of the {len(known)} queries is unknown: the gallery holds the class of every one; an open set has "
            "queries of other classes, too"
        )


def _booleans(name: str, given: Any) -> np.ndarray:
    values = np.asarray(given)
    if values.ndim != 1 or values.dtype != np.bool_:
        raise InvalidInputError(
            f"{name} have shape {values.shape} and dtype {values.dtype}; they are one boolean a query, of shape (q,)"
        )
    return values
