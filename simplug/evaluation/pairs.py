"""Pairs of examples, counted and summarized by their distance, in memory that does not grow with their number."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np

from simplug.api.distance import Distance
from simplug.api.pair_counts import Distances, PairCounts, PairSummary
from simplug.evaluation.checking import embeddings_of, labels_of, require_lengths
from simplug.evaluation.pair_bins import Bins, Scale, coarsened
from simplug.evaluation.pair_blocks import Examples, PairBlock, over_pairs
from simplug.evaluation.pair_measures import PairMeasure, measure_of
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.registry import registry_of

_FEW = 1 << 22
"""Up to so many pairs, each distance that occurs is a threshold."""

_SAMPLED = 256
"""Of about so many examples, and so many others, the size of a typical distance is found."""

_COARSER = 6
"""By how many doublings the bins of cells are wider."""


@attrs.frozen(eq=False)
class Cells:
    """Counts of the pairs of each two groups of examples.

    Attributes:
        groups: The (c, 2) groups that the two examples of a pair are of.
        thresholds: (t,) float64 distances, ascending.
        counts: (c, t, 2) int64 numbers of negative and of positive pairs from one threshold to the next.
    """

    groups: np.ndarray
    thresholds: np.ndarray
    counts: np.ndarray


def count_pairs(
    embeddings: Any,
    labels: Any,
    references: Any = None,
    reference_labels: Any = None,
    *,
    distance: str | dict[str, Any] | Distance = "cosine",
) -> PairCounts:
    """Count positive and negative pairs by their distance: all that ROC, EER, TAR@FAR and thresholds are made of.

    Without references these are the n (n - 1) / 2 pairs within one set, each once and no example with itself; with
    references the n m pairs of each example with each reference. They are measured block after block, once, and none
    is kept.

    Up to 2**22 pairs are measured in float64, and each distinct distance, as float32, is a threshold. More of them are
    measured in float32 where the distance has the space ``l2`` or ``ip``, and thresholds are the edges of narrow bins,
    at which the counts are exact, as measured. A bin is no wider than 8e-6 of the distance and 1e-6 of a typical one
    together; for a distance that an engine measures by its square, as ``euclidean``, this holds for the square. Memory
    is some 100 MB on two cores beside the embeddings, whatever their number.

    Args:
        embeddings: (n, d) finite numbers.
        labels: (n,) integer labels; a pair is positive when its two labels are equal.
        references: (m, d) finite numbers; None for pairs within `embeddings`.
        reference_labels: (m,) integer labels; to be given with references.
        distance: The distance, measured from `embeddings` to `references`; within one set, where it is not symmetric,
            from the earlier example to the later one.

    Returns:
        The counts.

    Raises:
        InvalidInputError: The arrays are unusable or do not fit together, or there is no positive or no negative pair.
    """
    measured = registry_of("distance").build(distance)
    examples, others = checked_pairs(embeddings, labels, references, reference_labels, measured)
    return counted(measured, examples, others)[0]


def summarize_pairs(
    embeddings: Any, labels: Any, *, distance: str | dict[str, Any] | Distance = "cosine"
) -> PairSummary:
    """Return number, mean, minimum and maximum of the distances of positive and of negative pairs.

    The pairs are those of :func:`count_pairs` within one set, measured as there.

    Args:
        embeddings: (n, d) finite numbers.
        labels: (n,) integer labels.
        distance: The distance.

    Returns:
        The summary; where there is no positive or no negative pair, its count is 0 and its distances are NaN.

    Raises:
        InvalidInputError: The arrays are unusable, or there are fewer than two examples.
    """
    measured = registry_of("distance").build(distance)
    examples = _checked(embeddings, labels, measured, "embeddings", "labels")
    if len(examples) < 2:
        raise InvalidInputError(f"there are {len(examples)} examples; a pair needs two")
    measure = measure_of(measured, examples.embeddings, exact=measured_exactly(examples))

    def parts_of(block: PairBlock) -> tuple[_Part, _Part]:
        distances = measure.distances(block.values)
        return _part(distances[~block.positive]), _part(distances[block.positive])

    negative, positive = (_summary(parts) for parts in zip(*over_pairs(parts_of, measure, examples), strict=True))
    return PairSummary(positive=positive, negative=negative)


def checked_pairs(
    embeddings: Any, labels: Any, references: Any, reference_labels: Any, distance: Distance
) -> tuple[Examples, Examples | None]:
    """Return examples and references, of which there is a positive and a negative pair.

    Raises:
        InvalidInputError: As for :func:`count_pairs`.
    """
    examples = _checked(embeddings, labels, distance, "embeddings", "labels")
    if (references is None) != (reference_labels is None):
        raise InvalidInputError("references and reference_labels are given together, or neither of them")
    if references is None:
        require_both_kinds(examples.labels)
        return examples, None
    others = _checked(references, reference_labels, distance, "references", "reference_labels")
    if others.embeddings.shape[1] != examples.embeddings.shape[1]:
        raise InvalidInputError(
            f"embeddings have {examples.embeddings.shape[1]} dimensions and references {others.embeddings.shape[1]}"
        )
    require_both_kinds(examples.labels, others.labels)
    return examples, others


def measured_exactly(examples: Examples) -> bool:
    """Say whether the pairs within a set are few enough for each to be measured by the distance's definition."""
    return _within(examples) <= _FEW


def require_both_kinds(
    labels: np.ndarray, reference_labels: np.ndarray | None = None, own_labels: np.ndarray | None = None
) -> None:
    """Refuse labels of which there is no positive pair, or no negative one.

    Args:
        labels: (n,) labels.
        reference_labels: (m,) labels; None for pairs within `labels`.
        own_labels: The (n,) labels under which the examples themselves are among the references, if they are.

    Raises:
        InvalidInputError: The message says what there is none of.
    """
    others = labels if reference_labels is None else reference_labels
    what = f"{len(labels)} examples"
    if reference_labels is None:
        own_labels = labels
        if len(labels) < 2:
            raise InvalidInputError(f"there are {len(labels)} examples; a pair needs two")
    else:
        what += f" and {len(reference_labels)} references"
        if not len(labels) or not len(reference_labels):
            raise InvalidInputError(f"there are {what}; a pair needs one of each")
    names, sizes = np.unique(others, return_counts=True)
    places = np.minimum(np.searchsorted(names, labels), len(names) - 1)
    positive = int(sizes[places][names[places] == labels].sum())
    negative = len(labels) * len(others) - positive
    if own_labels is not None:
        positive -= int(np.count_nonzero(own_labels == labels))
        negative -= int(np.count_nonzero(own_labels != labels))
    if not positive:
        raise InvalidInputError(f"there is no positive pair: no two of the {what} have the same label")
    if not negative:
        raise InvalidInputError(f"there is no negative pair: all {what} have the label {labels[0]}")


def counted(
    distance: Distance, examples: Examples, references: Iterable[Examples] | Examples | None, total: int = 0
) -> tuple[PairCounts, Cells]:
    """Count pairs as :func:`count_pairs` does, and those of each two groups apart.

    Args:
        distance: What to measure.
        examples: The examples that pairs are measured from.
        references: Those that pairs are measured to, or blocks of them; None for pairs within `examples`.
        total: How many references there are, if they come in blocks.

    Returns:
        The counts of all pairs, and the counts of cells in coarser bins.
    """
    if isinstance(references, Examples):
        references, total = [references], len(references)
    few = (_within(examples) if references is None else len(examples) * total) <= _FEW
    measure = measure_of(distance, examples.embeddings, exact=few)
    first = examples
    if references is not None:
        blocks = iter(references)
        first = next(blocks)
        references = itertools.chain([first], blocks)
    tally = _Tally(measure, _typical(measure, examples, first), exact=few)
    for _ in over_pairs(tally.add, measure, examples, references):
        pass
    return tally.counts(), tally.cells()


_Part = tuple[int, float, float, float]
"""Number, sum, minimum and maximum of some distances."""


class _Tally:
    """Counts of the pairs so far, of all and of each cell."""

    def __init__(self, measure: PairMeasure, typical: float, *, exact: bool) -> None:
        self._measure = measure
        self._scale, self._coarse = Scale(typical), Scale(typical, _COARSER)
        self._lock = threading.Lock()
        self._all = Bins()
        self._cells: dict[tuple[int, int], Bins] = {}
        self._kept: list[tuple[np.ndarray, np.ndarray]] | None = [] if exact else None

    def add(self, block: PairBlock) -> None:
        """Count some pairs; their values are written over."""
        values = block.values.copy() if self._kept is not None else block.values
        keys, counts = self._scale.keys(block.values, block.positive)
        with self._lock:
            if self._kept is not None:
                self._kept.append((values, block.positive))
            else:
                self._all.add(keys, counts)
            self._cells.setdefault(block.cell, Bins()).add(coarsened(keys, _COARSER), counts)

    def counts(self) -> PairCounts:
        """Return the counts of all pairs."""
        if self._kept is not None:
            values, positive = (np.concatenate(column) for column in zip(*self._kept, strict=True))
            return _exact_counts(values, positive)
        numbers, counts = self._all.filled()
        thresholds = self._measure.distances(self._scale.edges(numbers))
        negatives, positives = np.cumsum(counts, axis=0).T
        return PairCounts(thresholds, positives, negatives)

    def cells(self) -> Cells:
        """Return the counts of each cell."""
        filled = {cell: bins.filled() for cell, bins in sorted(self._cells.items())}
        numbers = np.unique(np.concatenate([held for held, _ in filled.values()]))
        counts = np.zeros((len(filled), len(numbers), 2), dtype=np.int64)
        for table, (held, of_cell) in zip(counts, filled.values(), strict=True):
            table[np.searchsorted(numbers, held)] = of_cell
        thresholds = self._measure.distances(self._coarse.edges(numbers))
        return Cells(np.array(list(filled), dtype=np.int64), thresholds, counts)


def _exact_counts(distances: np.ndarray, positive: np.ndarray) -> PairCounts:
    """Count (p,) pairs within each distance that occurs."""
    near, far = np.sort(distances[positive]), np.sort(distances[~positive])
    thresholds = np.union1d(near, far)
    positives, negatives = (np.searchsorted(part, thresholds, side="right") for part in (near, far))
    return PairCounts(thresholds.astype(np.float64), positives, negatives)


def _typical(measure: PairMeasure, examples: Examples, references: Examples) -> float:
    """Return the median size of some values that are not 0; 1 where there is none."""
    some, others = (part.embeddings[:: -(-len(part) // _SAMPLED)] for part in (examples, references))
    sizes = np.abs(measure.values(measure.query_factors(some), measure.factors(others)))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(sizes)) if sizes.size else 1.0


def _part(distances: np.ndarray) -> _Part:
    if not distances.size:
        return 0, 0.0, np.inf, -np.inf
    return len(distances), float(distances.sum(dtype=np.float64)), float(distances.min()), float(distances.max())


def _summary(parts: tuple[_Part, ...]) -> Distances:
    counts, sums, least, most = zip(*parts, strict=True)
    count = sum(counts)
    return Distances(count, sum(sums) / count, min(least), max(most)) if count else Distances(0, np.nan, np.nan, np.nan)


def _within(examples: Examples) -> int:
    return len(examples) * (len(examples) - 1) // 2


def _checked(embeddings: Any, labels: Any, distance: Distance, name: str, name_of_labels: str) -> Examples:
    examples = Examples(embeddings_of(name, embeddings, distance), labels_of(name_of_labels, labels))
    require_lengths(**{name: examples.embeddings, name_of_labels: examples.labels})
    return examples
