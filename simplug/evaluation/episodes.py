"""Few-shot episodes: how often a new example is told apart from others after one look at each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from simplug.api.distance import Distance
from simplug.evaluation.checking import embeddings_of, labels_of, require_lengths
from simplug.evaluation.intervals import Sample
from simplug.evaluation.scores import Scores
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.registry import registry_of


class EpisodeScores(Scores):
    """The ``accuracy`` and the ``error`` of few-shot episodes, over all of their queries.

    Intervals draw episodes. They say how far a score may be off because of the episodes that were drawn, and not how
    it would be with other classes: many episodes of few classes have a narrow interval.

    Attributes:
        correct: (e,) how many queries of each episode were right.
        asked: (e,) how many queries it had.
        ways: (e,) among how many classes they were told apart.
        groups: (e,) the group that its classes are of; all 0 where there are no groups.
    """

    def __init__(self, correct: np.ndarray, asked: np.ndarray, ways: np.ndarray, groups: np.ndarray) -> None:
        self.correct = correct
        self.asked = asked
        self.ways = ways
        self.groups = groups
        accuracy = float(correct.sum() / asked.sum())
        super().__init__({"accuracy": accuracy, "error": 1 - accuracy}, Sample(len(asked), self._of_draws))

    @property
    def queries(self) -> int:
        """How many queries there were in all."""
        return int(self.asked.sum())

    def per_group(self) -> dict[int, EpisodeScores]:
        """Return the scores of the episodes of each group, by its number; groups ascend."""
        return {group: self._some(self.groups == group) for group in np.unique(self.groups).tolist()}

    def _some(self, mask: np.ndarray) -> EpisodeScores:
        return EpisodeScores(self.correct[mask], self.asked[mask], self.ways[mask], self.groups[mask])

    def _of_draws(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        accuracy = (weights @ self.correct) / (weights @ self.asked)
        return {"accuracy": accuracy, "error": 1 - accuracy}


def evaluate_episodes(
    embeddings: Any,
    labels: Any,
    groups: Any = None,
    *,
    ways: int = 20,
    shots: int = 1,
    queries: int = 400,
    drawers: Any = None,
    distance: str | Mapping[str, Any] | Distance = "cosine",
    seed: int = 0,
) -> EpisodeScores:
    r"""Score few-shot classification by the nearest class in randomly drawn episodes.

    In an episode, some classes of one group are drawn, and of each class some examples that are its support and one
    other example that is the query. Each query is given the class whose support is nearest to it, on its own: nothing
    is learned from the other queries. With several shots, a class :math:`c` with the support :math:`S_c` stands at its
    prototype, as in Snell et al., "Prototypical Networks for Few-shot Learning", 2017:

    .. math:: \hat{y}(q) = \arg\min_c d\Big(q, \frac{1}{|S_c|} \sum_{x \in S_c} x\Big)

    Among classes at the same distance the right one comes last, so that embeddings that are all alike are all wrong.

    Groups take turns, in the order of their numbers, and each class of a group is as likely as any other. A group of
    fewer classes than `ways` has episodes of all of its classes. With `drawers`, all supports of an episode are of the
    same `shots` drawers and all queries of one other drawer, which is the one-shot classification of Lake et al.,
    "Human-level concept learning through probabilistic program induction", Science 350, 2015.

    Args:
        embeddings: (n, d) finite numbers, taken as float32.
        labels: (n,) their integer labels.
        groups: (n,) the integer number of what is above the class, such as an alphabet; None: one group of all. A
            class is of one group.
        ways: How many classes an episode has at most, at least 2.
        shots: How many examples are the support of a class.
        queries: How many queries are asked in all, one for each class of an episode. The last episode asks no more
            than are left of them, in the random order of its classes.
        drawers: (n,) who made each example, as integers; None: anyone's examples are support and query.
        distance: How far two embeddings are apart: a name, a table or an instance.
        seed: The same seed gives the same episodes.

    Returns:
        The scores, with intervals on request.

    Raises:
        InvalidInputError: The arrays are empty, unusable or do not fit together, a number is out of range, a class is
            of two groups, a group has a single class, a class has no more examples than `shots`, or the drawers are too
            few or have not drawn every class of a group.
    """
    _check_count("ways", ways, 2)
    _check_count("shots", shots, 1)
    _check_count("queries", queries, 1)
    _check_count("seed", seed, 0)
    measure: Distance = registry_of("distance").build(distance)
    vectors = embeddings_of("embeddings", embeddings, measure)
    columns = {"labels": labels_of("labels", labels)}
    columns["groups"] = np.zeros_like(columns["labels"]) if groups is None else labels_of("groups", groups)
    if drawers is not None:
        columns["drawers"] = labels_of("drawers", drawers)
    require_lengths(embeddings=vectors, **columns)
    if not len(vectors):
        raise InvalidInputError("there are no examples: embeddings and labels are empty")
    pools = _pools(columns["labels"], columns["groups"], columns.get("drawers"), shots)

    rng = np.random.default_rng(seed)
    rows: list[tuple[int, int, int, int]] = []
    left = queries
    while left:
        pool = pools[len(rows) % len(pools)]
        support, asked = pool.draw(rng, ways, shots)
        prototypes = vectors[support].mean(axis=1, dtype=np.float64) if shots > 1 else vectors[support[:, 0]]
        distances = measure.numpy(vectors[asked[:left]], prototypes)
        correct = _strictly_nearest(distances)
        rows.append((int(correct.sum()), len(correct), len(support), pool.group))
        left -= len(correct)
    return EpisodeScores(*np.array(rows, dtype=np.int64).T)


@attrs.frozen(eq=False)
class _Pool:
    """The examples of one group.

    Attributes:
        group: Its number.
        members: The rows of each class.
        by_drawer: The rows of each class by each drawer; None where drawers do not matter.
    """

    group: int
    members: list[np.ndarray]
    by_drawer: list[list[np.ndarray]] | None

    def draw(self, rng: np.random.Generator, ways: int, shots: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of an episode: (w, shots) of the support and (w,) of the queries."""
        classes = rng.permutation(len(self.members))[:ways]
        if self.by_drawer is None:
            rows = np.array([rng.choice(self.members[one], shots + 1, replace=False) for one in classes])
        else:
            people = rng.choice(len(self.by_drawer[0]), shots + 1, replace=False)
            rows = np.array([[rng.choice(self.by_drawer[one][person]) for person in people] for one in classes])
        return rows[:, :-1], rows[:, -1]


def _pools(labels: np.ndarray, groups: np.ndarray, drawers: np.ndarray | None, shots: int) -> list[_Pool]:
    _check_groups(labels, groups)
    pools = []
    for group in np.unique(groups).tolist():
        classes = np.unique(labels[groups == group])
        if len(classes) < 2:
            raise InvalidInputError(f"group {group} has a single class, {classes[0]}; an episode has at least 2")
        members = [np.flatnonzero(labels == one) for one in classes]
        if drawers is None:
            _check_examples(classes, members, shots)
            pools.append(_Pool(group, members, None))
        else:
            everyone = np.unique(drawers[groups == group])
            _check_drawers(group, classes, [drawers[rows] for rows in members], everyone, shots)
            by_drawer = [[rows[drawers[rows] == person] for person in everyone] for rows in members]
            pools.append(_Pool(group, members, by_drawer))
    return pools


def _check_groups(labels: np.ndarray, groups: np.ndarray) -> None:
    classes, first = np.unique(labels, return_index=True)
    own = groups[first][np.searchsorted(classes, labels)]
    if (own != groups).any():
        row = int(np.argmax(own != groups))
        raise InvalidInputError(
            f"class {labels[row]} is of group {own[row]} and of group {groups[row]}; a class is of one group"
        )


def _check_examples(classes: np.ndarray, members: list[np.ndarray], shots: int) -> None:
    for one, rows in zip(classes, members, strict=True):
        if len(rows) <= shots:
            raise InvalidInputError(
                f"class {one} has {len(rows)} examples; an episode of {shots} shots takes {shots + 1} of each class"
            )


def _check_drawers(
    group: int, classes: np.ndarray, drawers: list[np.ndarray], everyone: np.ndarray, shots: int
) -> None:
    if len(everyone) <= shots:
        raise InvalidInputError(
            f"group {group} has {len(everyone)} drawers; an episode of {shots} shots takes {shots + 1}"
        )
    for one, present in zip(classes, drawers, strict=True):
        missing = np.setdiff1d(everyone, present)
        if missing.size:
            raise InvalidInputError(
                f"drawer {missing[0]} has not drawn class {one}, but others of group {group}; one drawer draws all "
                "classes of an episode"
            )


def _strictly_nearest(distances: np.ndarray) -> np.ndarray:
    """Return for each query, of (q, w) distances, whether class i is nearer to query i than every other class."""
    own = np.arange(len(distances))
    others = distances.copy()
    others[own, own] = np.inf
    nearest: np.ndarray = distances[own, own] < others.min(axis=1)
    return nearest


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidInputError(f"{name} is {value!r}; it is an integer from {least}")
