"""Retrieval scores of embeddings by their exact neighbours, without an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplug.api.distance import Distance
from simplug.api.metric import RetrievalMetric
from simplug.evaluation.checking import built_metrics, labelled, labels_of
from simplug.evaluation.cores import cores
from simplug.evaluation.ranked import Block, counts_of, score_in_blocks
from simplug.evaluation.ranking import Gallery, Queries
from simplug.evaluation.scores import RetrievalScores
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.registry import registry_of

_MEMORY = 1 << 29
"""How many bytes the distances that are in memory at once may take."""


def evaluate_retrieval(
    queries: Any,
    labels: Any,
    gallery: Any = None,
    gallery_labels: Any = None,
    *,
    metrics: Sequence[Any],
    distance: str | Mapping[str, Any] | Distance = "cosine",
    average: str = "micro",
    query_rows: Any = None,
) -> RetrievalScores:
    """Score the exact neighbours of embeddings, on all cores and in bounded memory.

    Without a gallery, the queries are each other's, and each is left out of its own neighbours: itself, not what
    happens to equal it. Neighbours are ranked by their distance in float32, which is calculated in float64; those at
    one distance stay in the order of the gallery. :class:`simplug.evaluation.ranking.Gallery` says what rounding can
    do. Beside the embeddings, memory is that of some hundred megabytes, however many queries there are and however
    many neighbours the metrics need.

    A query whose label the gallery does not have is left out of the scores, and counted. Where the gallery holds fewer
    neighbours than a metric looks at, the others count as misses. With one class alone every neighbour is a hit.

    Args:
        queries: (q, d) finite numbers, taken as float32.
        labels: (q,) their integer labels.
        gallery: (n, d) finite numbers; None for the queries.
        gallery_labels: (n,) their integer labels; None for those of the queries.
        metrics: Retrieval metrics, by name such as ``"map@r"``, as tables or instances.
        distance: How far two embeddings are apart: a name, a table or an instance.
        average: ``"micro"``, over queries, or ``"macro"``, over classes.
        query_rows: (q,) which row of the gallery each query is itself, where the gallery holds the queries: each is
            left out of its own neighbours.

    Returns:
        The score of each metric by its label, with the values of the queries.

    Raises:
        InvalidInputError: The arrays do not fit together, hold NaN or infinity or what the distance is not defined
            for, are empty, or no query has a relevant neighbour; or a metric or the average is none.
    """
    built = list(built_metrics(metrics, RetrievalMetric).values())
    measure: Distance = registry_of("distance").build(distance)
    vectors, classes = labelled("queries", queries, "labels", labels, measure)
    if (gallery is None) != (gallery_labels is None):
        raise InvalidInputError("gallery and gallery_labels come together; one of them is None")
    if gallery is None:
        if query_rows is not None:
            raise InvalidInputError("query_rows tells where in a gallery the queries are, but there is no gallery")
        others, other_classes = vectors, classes
        rows: np.ndarray | None = np.arange(len(vectors))
    else:
        others, other_classes = labelled("gallery", gallery, "gallery_labels", gallery_labels, measure)
        if others.shape[1] != vectors.shape[1]:
            raise InvalidInputError(
                f"queries have dimension {vectors.shape[1]} and the gallery {others.shape[1]}; both are the same"
            )
        rows = None if query_rows is None else _rows(query_rows, len(vectors), len(others))
    relevant = counts_of(other_classes, classes)
    if rows is not None:
        relevant = relevant - (other_classes[rows] == classes)
    prepared = measure.prepare(vectors)
    ranked = Gallery(measure, prepared if others is vectors else measure.prepare(others), other_classes)
    asked = Queries(prepared, classes, rows)
    reachable = len(ranked) - (rows is not None)
    threads = cores()

    def at_once(depth: int) -> int:
        each = -(-len(classes) // threads)
        return min(each, ranked.at_once(min(depth, reachable), _MEMORY // threads))

    def hits(block: Block) -> np.ndarray:
        return ranked.hits(asked.some(block.which), min(block.depth, reachable))

    return score_in_blocks(built, classes, relevant, hits, at_once, average=average, parallel=True)


def _rows(given: Any, queries: int, gallery: int) -> np.ndarray:
    """Return where in the gallery the queries are, checked."""
    rows = labels_of("query_rows", given)
    if len(rows) != queries:
        raise InvalidInputError(f"query_rows are {len(rows)}, and queries {queries}; they are one a query")
    wrong = np.flatnonzero((rows < 0) | (rows >= gallery))
    if wrong.size:
        raise InvalidInputError(
            f"query_rows[{wrong[0]}] is {rows[wrong[0]]}; it is a row of the gallery, from 0 to {gallery - 1}"
        )
    return rows
