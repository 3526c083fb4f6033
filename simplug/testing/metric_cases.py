"""What metrics are given to score in their checks, task by task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import attrs
import numpy as np

from simplug.api import (
    ClassificationMetric,
    ClusteringMetric,
    Metric,
    OpenSetMetric,
    PairCounts,
    PairSummary,
    ProbeMetric,
    RetrievalMetric,
    TrainingMetric,
    VerificationMetric,
)
from simplug.api.pair_counts import Distances
from simplug.kernel.registry import registry_of
from simplug.testing.batches import embeddings, labels, shuffled

Case = tuple[Any, ...]
"""The arguments of the `score` of a metric."""


class Cases(ABC):
    """Results to be scored by the metrics of one task.

    Attributes:
        contract: The contract of the task.
        least: The smallest value that a metric of the task may have; infinity stands for no bound.
        many: Whether there is a value for each query or threshold; otherwise there is a single one.
        has_best: Whether a perfect result has the value 1, or 0 if smaller is better.
        has_worst: Whether the worst result has the value 0, or 1 if smaller is better.
    """

    contract: ClassVar[type[Metric]]
    least: ClassVar[float] = 0.0
    many: ClassVar[bool] = False
    has_best: ClassVar[bool] = True
    has_worst: ClassVar[bool] = False

    def __init__(self, metric: Any) -> None:
        self.metric = metric

    @abstractmethod
    def perfect(self) -> Case:
        """Return a result that cannot be better."""

    @abstractmethod
    def worst(self) -> Case:
        """Return a result than which none is worse."""

    @abstractmethod
    def random(self) -> Case:
        """Return a result at random, the same every time."""

    @abstractmethod
    def reordered(self, case: Case) -> tuple[Case, np.ndarray | None]:
        """Return the same result in another order, and that order where there is a value for each place in it."""

    def first(self, case: Case, count: int) -> Case:
        """Return the first places of a result that has a value for each; here, of every part of it."""
        return tuple(part[:count] for part in case)

    @abstractmethod
    def improved(self, case: Case) -> list[Case]:
        """Return results that are a little better."""

    @abstractmethod
    def alike(self) -> list[tuple[Case, Case]]:
        """Return pairs of results that differ in what does not count."""

    @abstractmethod
    def little(self) -> list[Case]:
        """Return results with hardly anything to score."""


class RetrievalCases(Cases):
    """Hits, and numbers of relevant records."""

    contract = RetrievalMetric
    many = True
    has_worst = True

    def perfect(self) -> Case:
        """Every relevant record comes first."""
        depth = self._depth()
        return np.ones((4, depth), bool), np.full(4, depth)

    def worst(self) -> Case:
        """No relevant record is found."""
        depth = self._depth()
        return np.zeros((4, depth), bool), np.full(4, depth)

    def random(self) -> Case:
        """Hits as deep as the metric looks, no more than there are relevant records."""
        relevant = np.random.default_rng(0).integers(1, 21, size=200)
        return self._hits(relevant, most=relevant[:, None]), relevant

    def reordered(self, case: Case) -> tuple[Case, np.ndarray | None]:
        """The queries in another order."""
        order = shuffled(len(case[0]))
        return tuple(part[order] for part in case), order

    def improved(self, case: Case) -> list[Case]:
        """One relevant record a query moves up by one place."""
        hits, relevant = case
        up = hits.copy()
        for row in up:
            swaps = np.flatnonzero(~row[:-1] & row[1:])
            if len(swaps):
                row[swaps[0]], row[swaps[0] + 1] = True, False
        return [(up, relevant)]

    def alike(self) -> list[tuple[Case, Case]]:
        """Hits beyond the depth of the metric."""
        relevant = np.full(12, 50)
        hits = self._hits(relevant, most=20)
        wide = np.hstack([hits, np.ones((12, 30), bool)])
        return [((hits, relevant), (wide, relevant))]

    def little(self) -> list[Case]:
        """A gallery smaller than the depth."""
        return [(np.ones((4, 1), bool), np.ones(4, np.int64))]

    def _depth(self) -> int:
        """Return a number of relevant records that fills everything the metric looks at."""
        depth = self.metric.depth(np.full(4, 20))
        assert isinstance(depth, int | np.integer)
        assert depth >= 1
        return max(int(depth), 20)

    def _hits(self, relevant: np.ndarray, most: Any) -> np.ndarray:
        rng = np.random.default_rng(1)
        hits = rng.uniform(size=(len(relevant), self.metric.depth(relevant))) < rng.uniform(size=(len(relevant), 1))
        return np.asarray(hits & (np.cumsum(hits, axis=1) <= most))


class ClassificationCases(Cases):
    """The four counts at thresholds."""

    contract = ClassificationMetric
    many = True
    has_worst = True

    def perfect(self) -> Case:
        """No wrong decision."""
        right, wrong = np.full(4, 10), np.zeros(4, np.int64)
        return right, wrong, right, wrong

    def worst(self) -> Case:
        """No right decision."""
        right, wrong = np.zeros(4, np.int64), np.full(4, 10)
        return right, wrong, right, wrong

    def random(self) -> Case:
        """Any counts."""
        return tuple(np.random.default_rng(0).integers(0, 20, size=(4, 200)))

    def reordered(self, case: Case) -> tuple[Case, np.ndarray | None]:
        """The thresholds in another order."""
        order = shuffled(len(case[0]))
        return tuple(part[order] for part in case), order

    def improved(self, case: Case) -> list[Case]:
        """A wrong decision made right."""
        tp, fp, tn, fn = case
        accepted, rejected = np.minimum(fp, 1), np.minimum(fn, 1)
        return [(tp, fp - accepted, tn + accepted, fn), (tp + rejected, fp, tn, fn - rejected)]

    def alike(self) -> list[tuple[Case, Case]]:
        """Ten times as many of each."""
        case = self.random()
        return [(case, tuple(10 * part for part in case))]

    def little(self) -> list[Case]:
        """Nothing counted."""
        return [(np.zeros(3, np.int64),) * 4]


class VerificationCases(Cases):
    """Counts of pairs by their distance."""

    contract = VerificationMetric

    def perfect(self) -> Case:
        """Every positive pair is nearer than every negative one."""
        return (PairCounts(np.array([0.1, 0.2, 0.9]), np.array([5, 10, 10]), np.array([0, 0, 10])),)

    def worst(self) -> Case:
        """Every negative pair is nearer than every positive one."""
        return (PairCounts(np.array([0.1, 0.2, 0.9]), np.array([0, 0, 10]), np.array([5, 10, 10])),)

    def random(self) -> Case:
        """Positive pairs are nearer on the whole; some distances are equal."""
        rng = np.random.default_rng(0)
        positive, negative = rng.binomial(60, 0.4, size=2000), rng.binomial(60, 0.6, size=2000)
        thresholds = np.arange(61)
        within = [(part[:, None] <= thresholds).sum(axis=0) for part in (positive, negative)]
        return (PairCounts(thresholds.astype(np.float64), *within),)

    def reordered(self, case: Case) -> tuple[Case, np.ndarray | None]:
        """Other distances in the same order: they are not of one distance, but of any."""
        (counts,) = case
        return (attrs.evolve(counts, thresholds=np.exp(counts.thresholds / 10)),), None

    def improved(self, case: Case) -> list[Case]:
        """Some positive pairs nearer by one threshold, some negative ones farther."""
        (counts,) = case
        nearer, farther = counts.positives.copy(), counts.negatives.copy()
        nearer[:-1] += np.diff(counts.positives) // 2
        farther[1:] -= np.diff(counts.negatives) // 2
        farther[-1] = counts.all_negatives
        return [(attrs.evolve(counts, positives=nearer),), (attrs.evolve(counts, negatives=np.sort(farther)),)]

    def alike(self) -> list[tuple[Case, Case]]:
        """Ten times as many pairs; a threshold between two others, where nothing changes."""
        case = self.random()
        (counts,) = case
        more = PairCounts(counts.thresholds, 10 * counts.positives, 10 * counts.negatives)
        columns = (counts.thresholds, counts.positives, counts.negatives)
        return [(case, (more,)), (case, (PairCounts(*(np.repeat(column, 2) for column in columns)),))]

    def little(self) -> list[Case]:
        """One pair of each kind, and their distances are equal."""
        return [(PairCounts(np.zeros(1), np.ones(1, np.int64), np.ones(1, np.int64)),)]


class OpenSetCases(Cases):
    """Distances of matches of known and unknown queries."""

    contract = OpenSetMetric

    def perfect(self) -> Case:
        """Every match of a known query is right, and nearer than that of an unknown one."""
        known = np.arange(40) < 25
        return np.where(known, 0.1, 0.9), known, known.copy()

    def worst(self) -> Case:
        """Every match of a known query is wrong, and farther than that of an unknown one."""
        known = np.arange(40) < 25
        return np.where(known, 0.9, 0.1), known, np.zeros(40, bool)

    def random(self) -> Case:
        """Matches of unknown queries are farther on the whole; some distances are equal, some queries have no match."""
        rng = np.random.default_rng(0)
        known = rng.random(400) < 0.6
        distances = rng.binomial(100, np.where(known, 0.4, 0.55)) / 100.0
        distances[rng.random(400) < 0.01] = np.inf
        return distances, known, known & np.isfinite(distances) & (rng.random(400) < 0.9)

    def reordered(self, case: Case) -> tuple[Case, np.ndarray | None]:
        """The queries in another order."""
        order = shuffled(len(case[0]))
        return tuple(part[order] for part in case), None

    def improved(self, case: Case) -> list[Case]:
        """Known queries nearer, unknown ones farther, a wrong match made right."""
        distances, known, right = case
        made_right = right | (known & np.isfinite(distances))
        return [
            (np.where(known, distances - 0.05, distances), known, right),
            (np.where(known, distances, distances + 0.05), known, right),
            (distances, known, made_right),
        ]

    def alike(self) -> list[tuple[Case, Case]]:
        """Each query ten times; distances twice as large."""
        distances, known, right = case = self.random()
        return [(case, tuple(np.tile(part, 10) for part in case)), (case, (2 * distances, known, right))]

    def little(self) -> list[Case]:
        """One known and one unknown query: at one distance, and without a match."""
        known = np.array([True, False])
        return [(np.zeros(2), known, known.copy()), (np.full(2, np.inf), known, np.zeros(2, bool))]


class ClusteringCases(Cases):
    """Clusters, and labels."""

    contract = ClusteringMetric
    least = -1.0

    def perfect(self) -> Case:
        """Each cluster is a class, under another number."""
        truth = labels(5, 12)
        return truth, (truth + 2) % 5

    def worst(self) -> Case:
        """Every cluster has as many of each class."""
        truth = labels(5, 25)
        return truth, np.repeat(np.arange(25) % 5, 5)

    def random(self) -> Case:
        """A third of the examples are in a cluster at random."""
        truth = labels(5, 40)
        return truth, self._mixed(truth, 67)

    def reordered(self, case: Case) -> tuple[Case, np.ndarray | None]:
        """The examples in another order."""
        order = shuffled(len(case[0]))
        return tuple(part[order] for part in case), None

    def improved(self, case: Case) -> list[Case]:
        """Most of the examples that were in a wrong cluster are in that of their class."""
        return [(case[0], self._mixed(case[0], 20))]

    def alike(self) -> list[tuple[Case, Case]]:
        """The clusters, and the classes, under other numbers."""
        truth, clusters = case = self.random()
        return [(case, (truth, 7 - 3 * clusters)), (case, (100 + (truth + 1) % 5, clusters))]

    def little(self) -> list[Case]:
        """One example; one cluster of several classes; one class in several clusters; each example by itself."""
        alone, same, apart = np.zeros(1, np.int64), np.zeros(6, np.int64), np.arange(6)
        return [(alone, alone.copy()), (apart, same), (same, apart), (apart, apart.copy()), (same, same.copy())]

    def _mixed(self, truth: np.ndarray, count: int) -> np.ndarray:
        """Return the classes as clusters, but for the first so many of the examples in a fixed order."""
        clusters = truth.copy()
        moved = shuffled(len(truth))[:count]
        clusters[moved] = (truth[moved] + 1 + np.arange(count) % 4) % 5
        return clusters


class ProbeCases(Cases):
    """Embeddings of a gallery with their labels, of queries with theirs, and a distance."""

    contract = ProbeMetric
    many = True
    has_worst = True

    def perfect(self) -> Case:
        """Classes far apart."""
        return self._case(spread=0.1)

    def worst(self) -> Case:
        """Classes far apart, and every query is where another class is."""
        gallery, classes, queries, truth, distance = self._case(spread=0.1)
        return gallery, classes, queries, (truth + 1) % 5, distance

    def random(self) -> Case:
        """Classes that lie in each other."""
        return self._case(spread=2.0)

    def reordered(self, case: Case) -> tuple[Case, np.ndarray | None]:
        """The queries in another order."""
        gallery, classes, queries, truth, distance = case
        order = shuffled(len(queries))
        return (gallery, classes, queries[order], truth[order], distance), order

    def first(self, case: Case, count: int) -> Case:
        """The first queries; the gallery stays."""
        gallery, classes, queries, truth, distance = case
        return gallery, classes, queries[:count], truth[:count], distance

    def improved(self, case: Case) -> list[Case]:
        """Queries in the middle of their class, far from the others."""
        gallery, classes, _, truth, distance = self.perfect()
        return [(gallery, classes, self._middles()[truth], truth, distance)]

    def alike(self) -> list[tuple[Case, Case]]:
        """The classes under other numbers."""
        gallery, classes, queries, truth, distance = case = self.random()
        return [(case, (gallery, 100 - 3 * classes, queries, 100 - 3 * truth, distance))]

    def little(self) -> list[Case]:
        """Two examples to learn from, apart and in one place."""
        *_, distance = self.perfect()
        pair, queries = np.array([4, 7]), np.eye(3, dtype=np.float32)
        truth = np.array([4, 7, 4])
        return [(some, pair, queries, truth, distance) for some in (queries[:2], np.ones((2, 3), np.float32))]

    def _case(self, spread: float) -> Case:
        rng = np.random.default_rng(0)
        classes, truth = labels(5, 12), labels(5, 40)
        gallery, queries = (
            (self._middles()[some] + spread * rng.normal(size=(len(some), 8))).astype(np.float32)
            for some in (classes, truth)
        )
        return gallery, classes, queries, truth, registry_of("distance").build("cosine")

    def _middles(self) -> np.ndarray:
        return 4 * np.eye(5, 8, dtype=np.float32)


class TrainingCases(Cases):
    """Embeddings, and the distances of their pairs in short."""

    contract = TrainingMetric
    least = -np.inf
    has_best = False

    def perfect(self) -> Case:
        """Classes that lie far apart, each in one place."""
        return embeddings(40), PairSummary(Distances(100, 0.0, 0.0, 0.0), Distances(680, 2.0, 2.0, 2.0))

    def worst(self) -> Case:
        """Classes in the same place as far as embeddings tell, and each farther spread than they are apart."""
        return np.ones((40, 8), np.float32), PairSummary(Distances(100, 2.0, 2.0, 2.0), Distances(680, 0.0, 0.0, 0.0))

    def random(self) -> Case:
        """Embeddings at random."""
        return embeddings(40, seed=3), PairSummary(Distances(100, 0.8, 0.1, 1.5), Distances(680, 1.1, 0.2, 1.9))

    def reordered(self, case: Case) -> tuple[Case, np.ndarray | None]:
        """The examples in another order."""
        vectors, pairs = case
        return (vectors[shuffled(len(vectors))], pairs), None

    def improved(self, case: Case) -> list[Case]:
        """Positive pairs half as far apart, negative ones twice as far."""
        vectors, pairs = case
        nearer, farther = _scaled(pairs.positive, 0.5), _scaled(pairs.negative, 2.0)
        return [
            (vectors, attrs.evolve(pairs, positive=nearer)),
            (vectors, attrs.evolve(pairs, negative=farther)),
        ]

    def alike(self) -> list[tuple[Case, Case]]:
        """Each example ten times, the distances of whose pairs are the same."""
        vectors, pairs = case = self.random()
        return [(case, (np.tile(vectors, (10, 1)), pairs))]

    def little(self) -> list[Case]:
        """Two examples, equal or not or zero, and no pair of one kind."""
        none, one = Distances(0, np.nan, np.nan, np.nan), Distances(1, 0.0, 0.0, 0.0)
        vectors = (np.ones((2, 3)), np.zeros((2, 3)), np.eye(2, 3))
        summaries = (PairSummary(one, none), PairSummary(none, one))
        return [(some.astype(np.float32), pairs) for some in vectors for pairs in summaries]


def _scaled(distances: Distances, factor: float) -> Distances:
    return Distances(distances.count, factor * distances.mean, factor * distances.least, factor * distances.most)


CASES: dict[str, type[Cases]] = {
    "retrieval": RetrievalCases,
    "classification": ClassificationCases,
    "verification": VerificationCases,
    "open_set": OpenSetCases,
    "clustering": ClusteringCases,
    "probe": ProbeCases,
    "training": TrainingCases,
}
"""The cases of each task."""
