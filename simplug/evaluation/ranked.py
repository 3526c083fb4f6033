"""Scores of neighbours that are ranked already, all at once or block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np

from simplug.api.metric import RetrievalMetric
from simplug.evaluation.checking import by_label, labels_of, require_integers, require_lengths
from simplug.evaluation.cores import in_parallel
from simplug.evaluation.scores import RetrievalScores, checked_average
from simplug.kernel.errors import InvalidInputError


def depth(metrics: Sequence[RetrievalMetric], relevant: np.ndarray) -> int:
    """Return how many neighbours the metrics need; it may be more than the gallery holds.

    Args:
        metrics: The metrics, at least one.
        relevant: (q,) numbers of records with the query's label in the gallery, the query itself left out.

    Raises:
        InvalidInputError: There is no metric, one of another task, or no query with a relevant record.
    """
    by_label(metrics, RetrievalMetric)
    counts = _relevant_counts(relevant)
    return _depth(metrics, counts[_scored(counts)])


def score_retrieval(
    metrics: Sequence[RetrievalMetric],
    neighbor_labels: np.ndarray,
    filled: np.ndarray,
    query_labels: np.ndarray,
    relevant: np.ndarray,
    *,
    average: str = "micro",
) -> RetrievalScores:
    """Score ranked neighbours.

    Queries without a relevant record in the gallery are left out: no ranking could be right for them.

    Args:
        metrics: The metrics, at least one.
        neighbor_labels: (q, n) integer labels of the neighbours, nearest first, as many as :func:`depth` asks for or
            the whole gallery.
        filled: (q, n) booleans: whether a neighbour is there; labels of other places mean nothing.
        query_labels: (q,) integer labels.
        relevant: (q,) numbers of records with the query's label in the gallery, the query itself left out.
        average: ``"micro"``, the mean over queries, or ``"macro"``, the mean over classes of the mean over the
            queries of each class.

    Returns:
        A dict from the label of each metric to its score, which also says how many queries were scored and left out.

    Raises:
        InvalidInputError: The arrays do not fit together, no query has a relevant record, more relevant neighbours
            are given than `relevant` allows, or the average is unknown.
    """
    labelled = by_label(metrics, RetrievalMetric)
    checked_average(average)
    classes = labels_of("query_labels", query_labels)
    counts = _relevant_counts(relevant)
    neighbors, filled = np.asarray(neighbor_labels), np.asarray(filled)
    if neighbors.ndim != 2 or neighbors.shape != filled.shape:
        raise InvalidInputError(
            f"neighbor_labels have shape {neighbors.shape} and filled {filled.shape}; both are (queries, neighbours)"
        )
    require_integers("neighbor_labels", neighbors)
    if filled.dtype != np.bool_:
        raise InvalidInputError(f"filled has dtype {filled.dtype}; it is booleans")
    require_lengths(neighbor_labels=neighbors, query_labels=classes, relevant=counts)
    hits = filled & (neighbors == classes[:, np.newaxis])
    counted = _scored(counts)
    _require_consistent(hits, filled, counts, needed=depth(metrics, counts))
    hits, counts, classes = hits[counted], counts[counted], classes[counted]
    values = {label: metric.score(hits, counts) for label, metric in labelled.items()}
    return RetrievalScores(values, classes, counted, average)


def counts_of(gallery: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how many of the gallery's labels equal each of (q,) labels."""
    ordered = np.sort(gallery)
    return np.searchsorted(ordered, labels, side="right") - np.searchsorted(ordered, labels, side="left")


@attrs.frozen(eq=False)
class Block:
    """Some queries that are ranked together.

    Attributes:
        which: Their numbers.
        depth: How many neighbours the metrics need of them; it may be more than the gallery holds.
    """

    which: np.ndarray
    depth: int


def score_in_blocks(
    metrics: Sequence[RetrievalMetric],
    classes: np.ndarray,
    relevant: np.ndarray,
    hits: Callable[[Block], np.ndarray],
    at_once: Callable[[int], int],
    *,
    average: str = "micro",
    parallel: bool = False,
) -> RetrievalScores:
    """Score queries whose neighbours are fetched block by block, so that they are never in memory together.

    Queries with many relevant records come last and together: only they need many neighbours.

    Args:
        metrics: The metrics, at least one.
        classes: (q,) int64 labels of the queries.
        relevant: (q,) numbers of records with the query's label in the gallery, the query itself left out.
        hits: Returns (b, n) booleans for a block, nearest first: whether that neighbour has the query's label; n is
            the depth, or the size of the gallery where that is smaller.
        at_once: Returns how many queries may be ranked at once to some depth.
        average: As for :func:`score_retrieval`.
        parallel: Whether `hits` is called from several threads at once.

    Raises:
        InvalidInputError: As for :func:`score_retrieval`.
    """
    labelled = by_label(metrics, RetrievalMetric)
    checked_average(average)
    counts = _relevant_counts(relevant)
    counted = _scored(counts)
    blocks = _blocks(metrics, counts, at_once)

    def scored(block: Block) -> list[np.ndarray]:
        found = hits(block)
        return [metric.score(found, counts[block.which]) for metric in labelled.values()]

    parts = in_parallel(scored, blocks) if parallel else [scored(block) for block in blocks]
    values = {label: np.empty(len(counts)) for label in labelled}
    for block, columns in zip(blocks, parts, strict=True):
        for label, column in zip(labelled, columns, strict=True):
            values[label][block.which] = column
    return RetrievalScores(
        {label: column[counted] for label, column in values.items()}, classes[counted], counted, average
    )


def _blocks(metrics: Sequence[RetrievalMetric], relevant: np.ndarray, at_once: Callable[[int], int]) -> list[Block]:
    """Part the queries that can be scored, those with the fewest relevant records first."""
    order = np.argsort(relevant, kind="stable")[np.count_nonzero(relevant == 0) :]
    blocks = []
    while len(order):
        # More neighbours of the last of them may mean that fewer fit.
        most = at_once(_depth(metrics, relevant[order[:1]]))
        which = order[: at_once(_depth(metrics, relevant[order[:most]]))]
        blocks.append(Block(which, _depth(metrics, relevant[which])))
        order = order[len(which) :]
    return blocks


def _depth(metrics: Sequence[RetrievalMetric], relevant: np.ndarray) -> int:
    return max(metric.depth(relevant) for metric in metrics)


def _relevant_counts(relevant: np.ndarray) -> np.ndarray:
    counts = labels_of("relevant", relevant)
    if np.any(counts < 0):
        raise InvalidInputError(
            f"relevant holds {counts.min()}; it is how many records of the gallery have the query's label"
        )
    return counts


def _scored(relevant: np.ndarray) -> np.ndarray:
    """Return (q,) booleans: which queries can be scored."""
    if not np.any(relevant):
        raise InvalidInputError(
            f"none of the {len(relevant)} queries has a record with its label in the gallery; there is nothing to score"
        )
    return relevant > 0


def _require_consistent(hits: np.ndarray, filled: np.ndarray, relevant: np.ndarray, *, needed: int) -> None:
    """Refuse neighbours that would give a wrong score without a sign of it."""
    found = np.count_nonzero(hits, axis=1)
    excess = np.flatnonzero(found > relevant)
    if excess.size:
        row = excess[0]
        raise InvalidInputError(
            f"query {row} has {found[row]} neighbours with its label, but relevant says that the gallery holds "
            f"{relevant[row]}; leave the query itself out of both or of neither"
        )
    # A full row without all the relevant records shows that the gallery holds more than was fetched.
    width = hits.shape[1]
    if width < needed and np.any(filled.all(axis=1) & (found < relevant)):
        raise InvalidInputError(
            f"{width} neighbours a query are given, but the metrics need {needed} or the whole gallery"
        )
