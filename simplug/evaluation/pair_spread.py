"""How much rates of pairs vary from one set of classes to another."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

from simplug.api.distance import Distance
from simplug.evaluation.pair_blocks import Examples
from simplug.evaluation.pair_measures import PairMeasure, measure_of
from simplug.evaluation.pairs import measured_exactly

_ROWS, _COLUMNS = 256, 4096
"""How many examples are measured against how many others at once."""

_CELLS = 1 << 23
"""How many counts of pairs of two classes are in memory at once, if a class has no more."""

_NO_SELF = np.float32(np.inf)


@attrs.frozen(eq=False)
class PairSpread:
    """What the accepted pairs of each class, and of each two classes, tell about the variance of rates.

    Sums over two classes are over ordered pairs of different classes: each two of them twice.

    Attributes:
        sizes: (c,) numbers of examples of each class.
        positives: (c,) numbers of accepted pairs within each class.
        negatives: (c,) numbers of accepted pairs of an example of the class with one of another.
        squares: The sum over two classes of the squared number of accepted pairs.
        products: The sum over two classes of this number times the number of all their pairs.
    """

    sizes: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray
    squares: float
    products: float

    def intervals(self, far: float, tar: float, precision: float, level: float) -> dict[str, tuple[float, float]]:
        """Return the confidence intervals of these rates, as :func:`simplug.evaluation.calibrate_pairs` tells."""
        sizes = self.sizes.astype(np.float64)
        within, across = sizes * (sizes - 1) / 2, sizes * (sizes.sum() - sizes)
        all_within, all_across = within.sum(), across.sum() / 2
        classes, paired = len(sizes), int(np.count_nonzero(within))
        # How far each class, and each two classes, are from what the rates lead to expect.
        of_class = self.positives - tar * within
        of_ends = self.negatives - far * across
        all_squares = float(np.square(np.sum(sizes**2)) - np.sum(sizes**4))
        of_two = (self.squares - 2 * far * self.products + far**2 * all_squares) / 2
        tar_variance = np.sum(of_class**2) / all_within**2
        far_variance = (np.sum(of_ends**2) - of_two) / all_across**2
        precision_variance = 0.0
        if tar > 0 and far > 0:
            positive, negative = tar * all_within, far * all_across
            linear = np.sum((of_class / positive - of_ends / negative) ** 2) - of_two / negative**2
            precision_variance = (precision * (1 - precision)) ** 2 * linear
        return {
            "far": _interval(far, far_variance, classes, all_across, level),
            "tar": _interval(tar, tar_variance, paired, all_within, level),
            "precision": _interval(precision, precision_variance, classes, all_within + all_across, level),
        }


def spread_of_pairs(distance: Distance, examples: Examples, thresholds: np.ndarray) -> list[PairSpread]:
    """Count the accepted pairs of each class and of each two, at each of some distances.

    Pairs are measured in both directions, each direction as :func:`simplug.evaluation.count_pairs` measures it.
    Memory is that of a block of pairs and of as many numbers as there are classes, for some classes at once.

    Args:
        distance: What to measure.
        examples: The examples.
        thresholds: (t,) distances.

    Returns:
        The counts at each distance.
    """
    order = np.argsort(examples.labels, kind="stable")
    vectors = examples.embeddings[order]
    sizes = np.unique(examples.labels, return_counts=True)[1]
    measure = measure_of(distance, examples.embeddings, exact=measured_exactly(examples))
    tables = _Tables(measure, vectors, sizes)
    count = len(thresholds)
    positives, negatives = np.zeros((2, count, len(sizes)))
    squares, products = np.zeros((2, count))
    for classes in _whole_classes(sizes, min(_ROWS, _CELLS // (count * len(sizes)))):
        table = tables.accepted(classes, thresholds).astype(np.float64)
        own = np.arange(classes.start, classes.stop)
        positives[:, own] = table[:, own - classes.start, own] / 2
        table[:, own - classes.start, own] = 0
        negatives[:, own] = table.sum(axis=2)
        squares += np.einsum("tij,tij->t", table, table)
        products += np.einsum("tij,i,j->t", table, sizes[own].astype(np.float64), sizes.astype(np.float64))
    return [PairSpread(sizes, *found) for found in zip(positives, negatives, squares, products, strict=True)]


class _Tables:
    """Counts of accepted pairs by the classes of the two.

    Args:
        measure: How to measure.
        vectors: (n, d) embeddings, ordered by class.
        sizes: (c,) numbers of examples of each class.
    """

    def __init__(self, measure: PairMeasure, vectors: np.ndarray, sizes: np.ndarray) -> None:
        self._measure = measure
        self._queries, self._others = measure.query_factors(vectors), measure.factors(vectors)
        self._sizes, self._ends = sizes, np.cumsum(sizes)
        self._starts = self._ends - sizes
        self._classes = np.repeat(np.arange(len(sizes)), sizes)

    def accepted(self, classes: slice, thresholds: np.ndarray) -> np.ndarray:
        """Return the (t, r, c) numbers of accepted pairs of some r consecutive classes with each class."""
        counts = np.zeros((len(thresholds), classes.stop - classes.start, len(self._sizes)), dtype=np.int64)
        for rows in _parts(self._starts[classes.start], self._ends[classes.stop - 1], _ROWS):
            for columns in _parts(0, len(self._others), _COLUMNS):
                distances = self._distances(rows, columns)
                row_classes, column_classes = self._classes[rows], self._classes[columns]
                shape = (row_classes[-1] - row_classes[0] + 1, column_classes[-1] - column_classes[0] + 1)
                row_cells = (row_classes - row_classes[0]) * shape[1]
                column_cells = column_classes - column_classes[0]
                into = np.s_[row_classes[0] - classes.start :, column_classes[0] :]
                for table, threshold in zip(counts, thresholds, strict=True):
                    row, column = np.divmod(np.flatnonzero(distances <= threshold), distances.shape[1])
                    near = np.bincount(row_cells[row] + column_cells[column], minlength=shape[0] * shape[1])
                    table[into][: shape[0], : shape[1]] += near.reshape(shape)
        return counts

    def _distances(self, rows: slice, columns: slice) -> np.ndarray:
        values = self._measure.values(self._queries[rows], self._others[columns])
        distances: np.ndarray = self._measure.distances(values)
        itself = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
        distances[itself - rows.start, itself - columns.start] = _NO_SELF
        return distances


def _parts(start: int, stop: int, most: int) -> Iterator[slice]:
    yield from (slice(first, min(first + most, stop)) for first in range(start, stop, most))


def _whole_classes(sizes: np.ndarray, most: int) -> Iterator[slice]:
    """Yield consecutive classes with no more than so many examples together, or one that has more alone."""
    start, total = 0, 0
    for number, size in enumerate(sizes.tolist()):
        if total and total + size > most:
            yield slice(start, number)
            start, total = number, 0
        total += size
    yield slice(start, len(sizes))


def _interval(rate: float, variance: float, classes: int, pairs: float, level: float) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson for the number of independent pairs that would vary as much."""
    from scipy.special import betaincinv, ndtri, stdtrit

    below, above = (1 - level) / 2, (1 + level) / 2
    if classes < 2 or rate in (0, 1):
        effective = float(classes)
    else:
        variance *= classes / (classes - 1)
        effective = pairs if variance <= 0 else min(pairs, rate * (1 - rate) / variance)
        effective *= (ndtri(above) / stdtrit(classes - 1, above)) ** 2
    accepted = rate * effective
    low = betaincinv(accepted, effective - accepted + 1, below) if rate > 0 else 0.0
    high = betaincinv(accepted + 1, effective - accepted, above) if rate < 1 else 1.0
    return float(low), float(high)
