"""What an index answers to queries whose labels are known, for scores of several tasks at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplug.api import Matcher, Metric
from simplug.evaluation.answers import Answers, of_task
from simplug.evaluation.scores import QueryScores
from simplug.index.judged import JudgedIndex


def answers(
    index: JudgedIndex,
    embeddings: np.ndarray,
    labels: np.ndarray,
    metrics: Sequence[Metric],
    *,
    known: np.ndarray,
    k: int,
    matcher: str | Mapping[str, Any] | Matcher,
    seed: int = 0,
) -> Answers:
    """Return the answers of an index to queries.

    Args:
        index: The gallery.
        embeddings: (q, d) embeddings of the queries.
        labels: (q,) int64 labels of the queries.
        metrics: Metrics of any task but classification.
        known: (q,) booleans: whether the gallery holds the query's class.
        k: How many neighbours the matcher sees.
        matcher: How neighbours become a label and a distance.
        seed: Of the clusters.

    Raises:
        InvalidInputError: There are metrics of retrieval or probes, and the gallery holds the class of no query; or
            there are probes, and it holds a single class.
    """
    matched, distances = index.matches(embeddings, k=k, matcher=matcher)
    by_query: list[QueryScores] = []
    retrieval, probes = of_task(metrics, "retrieval"), of_task(metrics, "probe")
    if retrieval:
        by_query.append(index.evaluate_retrieval(embeddings, labels, retrieval))
    if probes:
        by_query.append(index.evaluate_probe(embeddings, labels, probes))
    return Answers(embeddings, labels, known, matched, distances, index.distance, by_query, metrics, seed)
