"""An index that judges: calibration, matching and evaluation of queries whose labels are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from simplug.api import Matcher, ProbeMetric, VerificationMetric
from simplug.evaluation import pair_calibration
from simplug.evaluation.calibration import Calibration
from simplug.evaluation.checking import built_metrics
from simplug.evaluation.probes import PROBES
from simplug.evaluation.scores import QueryScores, RetrievalScores, Scores
from simplug.evaluation.verification import VerificationScores
from simplug.index import folder, judging, validation
from simplug.index.maintained import MaintainedIndex
from simplug.index.state import State
from simplug.kernel.errors import ArtifactError, InvalidInputError
from simplug.kernel.registry import registry_of


class JudgedIndex(MaintainedIndex):
    """Cut points, matches and scores, made from the neighbours of queries."""

    @property
    def calibration(self) -> Calibration | None:
        """The cut points, if they were made with the records as they are now."""
        with self._reading() as state:
            found = self._calibration
            return found if isinstance(found, Calibration) and found.sequence == state.sequence else None

    def calibrate(
        self,
        embeddings: Any,
        labels: Any,
        *,
        metric: Any = "f1",
        targets: Mapping[str, Mapping[str, float]] | None = None,
        k: int = 1,
        matcher: str | Mapping[str, Any] | Matcher = "nearest",
        extra_metrics: Sequence[Any] = ("precision", "recall"),
        model: str | None = None,
    ) -> Calibration:
        """Choose the distances beyond which a query is unknown; they are saved with the index.

        Args:
            embeddings: (q, d) queries that are no records of the index.
            labels: (q,) their labels; labels that the index does not have are welcome.
            metric: The classification metric that the cut point ``optimal`` maximises.
            targets: Further cut points by name, such as ``{"strict": {"precision": 0.99}}``.
            k: How many neighbours the matcher sees.
            matcher: How neighbours become a label and a distance; ``"prototype"`` has the means of classes for
                neighbours, which are made of the records with a label and kept in memory.
            extra_metrics: Metrics that are reported beside it, and that targets may name.
            model: What tells the model that made the embeddings from others; it is kept with the cut points.

        Raises:
            InvalidInputError: The index is empty, or no distance reaches a target; the message has the best value.
        """
        k = validation.neighbors_wanted(k)
        queries, classes = self._judged(embeddings, labels, "embeddings")
        chosen: Matcher = registry_of("matcher").build(matcher)
        with self._reading() as state:
            _require_records(state)
            sequence = state.sequence
            matches = judging.matches(state, queries, k, chosen)
        found = judging.calibrate(classes, *matches, metric, targets, extra_metrics, k, chosen)
        return self._keep_calibration(attrs.evolve(found, sequence=sequence, model=model))

    def calibrate_pairs(
        self,
        embeddings: Any,
        labels: Any,
        *,
        targets: Mapping[str, Mapping[str, float]],
        prior: float | None = None,
        level: float = 0.95,
        model: str | None = None,
    ) -> Calibration:
        """Choose distances by what they mean for pairs of examples, with confidence intervals; they are saved.

        The pairs are those within `embeddings`; the records play no part. See
        :func:`simplug.evaluation.calibrate_pairs` for what is counted and what the intervals are.

        Cut points that :meth:`calibrate` made for the matcher ``nearest``, with the same `model`, stay beside the new
        ones, which replace those of earlier pairs; without any, ``optimal`` is the distance with the best balanced
        accuracy. :meth:`calibrate` replaces all.

        Args:
            embeddings: (n, d) examples that are no records of the index.
            labels: (n,) their labels; at least two examples share one, and there are at least two.
            targets: The cut points by name, such as ``{"strict": {"far": 1e-3}, "precise": {"precision": 0.99}}``.
            prior: The share of positive pairs that a precision is for; None takes that of these pairs.
            level: The confidence level of the intervals, between 0 and 1.
            model: What tells the model that made the embeddings from others; it is kept with the cut points.

        Returns:
            The calibration with the new cut points.

        Raises:
            InvalidInputError: The index is empty; it is calibrated for another matcher, whose distances are not those
                of pairs; or a target is out of reach or asks for a FAR that so few pairs cannot show.
        """
        examples, classes = self._judged(embeddings, labels, "embeddings")
        with self._reading() as state:
            _require_records(state)
            sequence = state.sequence
        beside = self.calibration
        if beside is not None and beside.model != model:
            beside = None
        judging.require_room_for_pairs(beside, targets)
        found = pair_calibration.calibrate_pairs(
            examples, classes, targets=targets, distance=self.distance, prior=prior, level=level
        )
        if beside is not None:
            found = judging.with_pairs(beside, found)
        return self._keep_calibration(attrs.evolve(found, sequence=sequence, model=model))

    def match(self, queries: Any, cutpoint: str = "optimal", no_match_label: int = -1) -> Any:
        """Return the label of each query, or `no_match_label` where its match is beyond a cut point.

        Matcher and number of neighbours are those of the calibration.

        Args:
            queries: (q, d) finite numbers.
            cutpoint: The name of a cut point, or ``"all"``.
            no_match_label: What unknown queries get.

        Returns:
            (q,) int64 labels; for ``"all"`` a dict of them by the name of the cut point.

        Raises:
            InvalidInputError: The index is not calibrated, has changed since, or has no such cut point.
            ArtifactError: The saved calibration is damaged.
        """
        vectors = validation.embeddings(queries, self.dim, self.distance, "queries")
        unknown = validation.labels([no_match_label], 1, "no_match_label")[0]
        with self._reading() as state:
            calibration = self._current_calibration(state)
            points = judging.cut_points(calibration, None if cutpoint == "all" else [cutpoint])
            labels, distances = judging.matches(state, vectors, calibration.k, judging.matcher_of(calibration))
        matched = {name: np.where(distances <= point.distance, labels, unknown) for name, point in points.items()}
        return matched if cutpoint == "all" else matched[cutpoint]

    def matches(
        self, queries: Any, *, k: int = 1, matcher: str | Mapping[str, Any] | Matcher = "nearest"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the match of each query, however far it is: what cut points and scores of open sets are made of.

        Args:
            queries: (q, d) finite numbers.
            k: How many neighbours the matcher sees.
            matcher: How neighbours become a label and a distance.

        Returns:
            (q,) int64 labels and (q,) float64 distances; a query without a neighbour has distance inf, and its label
            means nothing.
        """
        k = validation.neighbors_wanted(k)
        vectors = validation.embeddings(queries, self.dim, self.distance, "queries")
        chosen: Matcher = registry_of("matcher").build(matcher)
        with self._reading() as state:
            return judging.matches(state, vectors, k, chosen)

    def evaluate_retrieval(
        self,
        queries: Any,
        labels: Any,
        metrics: Sequence[Any] = ("recall@1",),
        *,
        query_ids: Any = None,
        average: str = "micro",
    ) -> RetrievalScores:
        """Score the neighbours of queries.

        Args:
            queries: (q, d) finite numbers.
            labels: (q,) their labels; a query whose label no record has is left out of the scores.
            metrics: Retrieval metrics, by name such as ``"map@r"``, as tables or instances.
            query_ids: (q,) ids, where the queries are records of the index: each is left out of its own neighbours.
            average: ``"micro"``, over queries, or ``"macro"``, over classes.

        Returns:
            The score of each metric by its label, a dict, which also has the values of the queries, of each class, of
            some of the queries, and intervals.

        Raises:
            InvalidInputError: No query has a record with its label, other than itself; or an argument is unusable.
        """
        vectors, classes = self._judged(queries, labels, "queries")
        own = self._own_ids(query_ids, len(vectors))
        built = [registry_of("metric").build(metric) for metric in metrics]
        with self._reading() as state:
            if own is not None:
                state.rows_of(own, "query_ids")
            return judging.evaluate_retrieval(state, vectors, classes, built, own, average)

    def evaluate_verification(
        self,
        queries: Any,
        labels: Any,
        metrics: Sequence[Any] = ("roc_auc", "eer", "tar@far"),
        *,
        query_ids: Any = None,
    ) -> VerificationScores:
        """Score the decision whether a query and a record are of one class, over all pairs of them.

        Records are read in blocks, and no pair is kept: :func:`simplug.evaluation.count_pairs` says how. Records
        without a label are left out.

        Args:
            queries: (q, d) finite numbers.
            labels: (q,) their labels; labels that the index does not have are welcome.
            metrics: Verification metrics, by name such as ``"eer"``, as tables or instances.
            query_ids: (q,) ids, where the queries are records of the index: each is no pair with itself.

        Returns:
            The score of each metric by its label, a dict, which also has the counts that curves are drawn from, and
            intervals: those of other queries against the same records.

        Raises:
            InvalidInputError: There is no positive or no negative pair, or an argument is unusable.
            ArtifactError: A record is damaged.
        """
        vectors, classes = self._judged(queries, labels, "queries")
        own = self._own_ids(query_ids, len(vectors))
        built = built_metrics(metrics, VerificationMetric)
        with self._reading() as state:
            if own is not None:
                state.rows_of(own, "query_ids")
            return judging.evaluate_verification(state, vectors, classes, built, own)

    def evaluate_open_set(
        self,
        queries: Any,
        labels: Any,
        metrics: Sequence[Any] = ("unknown_auroc", "detection@false_alarm", "identification@false_alarm"),
        *,
        k: int = 1,
        matcher: str | Mapping[str, Any] | Matcher = "nearest",
    ) -> Scores:
        """Score how well queries of classes that the index does not have are told from those of classes it has.

        A query is known when a record has its label. What tells is the distance of its match; the cut points of a
        calibration do not count.

        Args:
            queries: (q, d) finite numbers, none of them a record of the index.
            labels: (q,) their labels, some of which a record has and some of which none has.
            metrics: Open set metrics, by name such as ``"unknown_auroc"``, as tables or instances.
            k: How many neighbours the matcher sees.
            matcher: How neighbours become a label and a distance.

        Returns:
            The score of each metric by its label, a dict, with intervals on request.

        Raises:
            InvalidInputError: No query is known or none is unknown, or an argument is unusable.
        """
        k = validation.neighbors_wanted(k)
        vectors, classes = self._judged(queries, labels, "queries")
        chosen: Matcher = registry_of("matcher").build(matcher)
        with self._reading() as state:
            return judging.evaluate_open_set(state, vectors, classes, metrics, k, chosen)

    def evaluate_probe(
        self, queries: Any, labels: Any, metrics: Sequence[Any] = PROBES, *, average: str = "micro"
    ) -> QueryScores:
        """Score plain classifiers that learn from the records and classify queries.

        They learn from the embeddings of all records with a label, which are in memory together meanwhile.

        Args:
            queries: (q, d) finite numbers, none of them a record of the index.
            labels: (q,) their labels; a query whose label no record has is left out of the scores.
            metrics: Probes, by name such as ``"linear_probe"``, as tables or instances.
            average: ``"micro"``, over queries, or ``"macro"``, over classes.

        Returns:
            The score of each metric by its label, a dict, which also has the values of the queries, of each class, of
            some of the queries, and intervals.

        Raises:
            InvalidInputError: The records have a single label, or that of no query; or an argument is unusable.
            ArtifactError: A record is damaged.
        """
        vectors, classes = self._judged(queries, labels, "queries")
        built = built_metrics(metrics, ProbeMetric)
        with self._reading() as state:
            return judging.evaluate_probe(state, vectors, classes, built, average)

    def evaluate_classification(
        self,
        queries: Any,
        labels: Any,
        metrics: Sequence[Any] = ("precision", "recall", "f1", "binary_accuracy"),
        *,
        cutpoints: Sequence[str] | None = None,
    ) -> dict[str, dict[str, float]]:
        """Score the matches of queries at cut points of the calibration.

        Args:
            queries: (q, d) finite numbers.
            labels: (q,) their labels; labels that the index does not have are welcome.
            metrics: Classification metrics, by name, as tables or instances.
            cutpoints: Names of cut points; None means all of them.

        Returns:
            For each cut point the score of each metric by its label.

        Raises:
            InvalidInputError: The index is not calibrated, has changed since, or has no such cut point.
            ArtifactError: The saved calibration is damaged.
        """
        vectors, classes = self._judged(queries, labels, "queries")
        built = [registry_of("metric").build(metric) for metric in metrics]
        with self._reading() as state:
            calibration = self._current_calibration(state)
            points = judging.cut_points(calibration, cutpoints)
            matches = judging.matches(state, vectors, calibration.k, judging.matcher_of(calibration))
        return judging.evaluate_matches(classes, *matches, points, built)

    def _judged(self, queries: Any, labels: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
        """Return queries and labels to be judged by."""
        vectors = validation.embeddings(queries, self.dim, self.distance, what)
        if labels is None:
            raise InvalidInputError("labels is None; each query needs a label to be judged by")
        classes = validation.labels(labels, len(vectors))
        unlabeled = classes == validation.UNLABELED
        if unlabeled.any():
            raise InvalidInputError(f"labels[{int(np.argmax(unlabeled))}] is -1, which means that there is no label")
        return vectors, classes

    def _own_ids(self, query_ids: Any, count: int) -> np.ndarray | None:
        """Return the ids of queries that are records."""
        if query_ids is None:
            return None
        own = validation.id_values(query_ids, "query_ids")
        validation.require_length(len(own), count, "query_ids")
        return own

    def _keep_calibration(self, made: Calibration) -> Calibration:
        """Use a calibration from now on, once it is on disk; a reader keeps it in memory alone."""
        with self._threads.writing():
            self._require_open()
            if self._path is not None and self._lock is not None:
                folder.write_calibration(self._path, made)
            self._calibration = made
        return made

    def _current_calibration(self, state: State) -> Calibration:
        found = self._calibration
        if isinstance(found, ArtifactError):
            raise found
        if found is None:
            raise InvalidInputError("the index is not calibrated; call calibrate first")
        if found.sequence != state.sequence:
            raise InvalidInputError("the index has changed since it was calibrated; call calibrate again")
        return found


def _require_records(state: State) -> None:
    if not len(state.directory):
        raise InvalidInputError("the index is empty; add records before it is calibrated")
