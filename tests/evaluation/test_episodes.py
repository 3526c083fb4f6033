"""Few-shot episodes, from embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from simplug.evaluation import EpisodeScores, evaluate_episodes
from simplug.kernel.errors import InvalidInputError


def drawings(classes=12, drawers=5, dim=4, spread=0.8, seed=0):
    """Embeddings of classes that overlap, each drawn once by everybody, in an order of no meaning."""
    rng = np.random.default_rng(seed)
    labels, people = np.divmod(rng.permutation(classes * drawers), drawers)
    embeddings = rng.normal(size=(classes, dim))[labels] + spread * rng.normal(size=(len(labels), dim))
    return embeddings.astype(np.float32), labels, people


def exhaustive_one_shot_error(embeddings, labels, drawers):
    """The error over every pair of drawers, among all classes, by a loop and the definition of the distance."""
    unit = embeddings.astype(np.float64) / np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
    wrong = asked = 0
    for support in np.unique(drawers):
        for other in set(drawers.tolist()) - {support}:
            for query in np.flatnonzero(drawers == other):
                candidates = np.flatnonzero(drawers == support)
                nearest = candidates[np.argmin(1 - unit[candidates] @ unit[query])]
                wrong += labels[nearest] != labels[query]
                asked += 1
    return wrong / asked


def test_many_episodes_of_all_classes_have_the_error_of_all_pairs_of_drawers():
    embeddings, labels, drawers = drawings()
    exact = exhaustive_one_shot_error(embeddings, labels, drawers)
    scores = evaluate_episodes(embeddings, labels, ways=12, queries=12 * 2000, drawers=drawers)
    low, high = scores.intervals(level=0.999)["error"]
    assert 0.2 < exact < 0.8
    assert low < exact < high
    assert high - low < 0.02
    assert scores["accuracy"] == pytest.approx(1 - scores["error"])


def test_two_drawers_make_every_episode_one_of_two_whose_errors_are_exact():
    embeddings, labels, drawers = drawings(classes=9, drawers=2)
    scores = evaluate_episodes(embeddings, labels, ways=9, queries=9 * 40, drawers=drawers)
    of_both = []
    for support, other in ((0, 1), (1, 0)):
        chosen = np.isin(drawers, [support, other])
        both = embeddings[chosen], labels[chosen], np.where(drawers[chosen] == support, 0, 1)
        unit = both[0] / np.linalg.norm(both[0], axis=1, keepdims=True)
        right = 0
        for row in np.flatnonzero(both[2] == 1):
            candidates = np.flatnonzero(both[2] == 0)
            right += both[1][candidates[np.argmax(unit[candidates] @ unit[row])]] == both[1][row]
        of_both.append(right)
    assert set(scores.correct.tolist()) == set(of_both)


def test_several_shots_are_one_prototype_each():
    # Single examples mislead: the first class stands on both sides of the second one.
    embeddings = np.array([[1.0, -3.0], [1.0, 3.0], [1.0, 0.0], [-1.0, 0.2], [-1.0, -0.2], [-1.0, 0.0]])
    labels, drawers = [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]
    scores = evaluate_episodes(
        embeddings, labels, ways=2, shots=2, queries=60, drawers=drawers, distance="euclidean", seed=3
    )
    rng = np.random.default_rng(0)
    grid = embeddings.reshape(2, 3, 2)
    right = []
    for query in range(3):
        means = np.delete(grid, query, axis=1).mean(axis=1)
        distances = np.linalg.norm(grid[:, query, None] - means[None], axis=2)
        right.append(int((distances.argmin(axis=1) == [0, 1]).sum()))
    assert set(scores.correct.tolist()) == set(right)
    anyone = evaluate_episodes(rng.normal(size=(40, 3)), np.arange(40) % 4, ways=3, shots=5, queries=300)
    assert anyone["error"] == pytest.approx(2 / 3, abs=0.15)


def test_groups_take_turns_and_small_ones_have_all_of_their_classes():
    labels = np.repeat(np.arange(9), 4)
    groups = np.where(labels < 6, 10, 3)
    scores = evaluate_episodes(np.eye(9)[labels], labels, groups, ways=5, queries=19)
    assert scores.groups.tolist() == [3, 10, 3, 10, 3]
    assert scores.ways.tolist() == [3, 5, 3, 5, 3]
    assert scores.asked.tolist() == [3, 5, 3, 5, 3]
    assert scores.queries == 19
    assert scores == {"accuracy": 1.0, "error": 0.0}
    assert {group: part.queries for group, part in scores.per_group().items()} == {3: 9, 10: 10}


def test_classes_are_told_apart_from_their_own_group_alone():
    labels = np.repeat(np.arange(4), 3)
    embeddings = np.eye(2)[labels % 2]
    assert evaluate_episodes(embeddings, labels, labels // 2, ways=4, queries=40)["error"] == 0
    assert evaluate_episodes(embeddings, labels, ways=4, queries=40)["error"] == 1, "a tie is no answer"


def test_the_last_episode_asks_what_is_left():
    embeddings, labels, drawers = drawings()
    scores = evaluate_episodes(embeddings, labels, ways=8, queries=20, drawers=drawers)
    assert scores.asked.tolist() == [8, 8, 4]
    assert scores.ways.tolist() == [8, 8, 8]
    assert isinstance(scores, EpisodeScores)


def test_a_collapsed_model_is_always_wrong():
    assert evaluate_episodes(np.ones((40, 3)), np.arange(40) % 8, queries=80)["error"] == 1


def test_a_seed_draws_the_same_episodes():
    embeddings, labels, drawers = drawings()
    one, again, other = (
        evaluate_episodes(embeddings, labels, ways=6, queries=300, drawers=drawers, seed=seed).correct.tolist()
        for seed in (4, 4, 5)
    )
    assert one == again
    assert one != other


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"embeddings": np.ones((0, 3)), "labels": []}, "there are no examples"),
        ({"labels": [0, 0, 1]}, "the lengths differ: embeddings 6, labels 3"),
        ({"groups": [0, 0, 1, 1, 1, 0]}, "class 2 is of group 1 and of group 0"),
        ({"groups": [0, 0, 0, 0, 1, 1]}, "group 1 has a single class, 2"),
        ({"shots": 2}, "class 0 has 2 examples; an episode of 2 shots takes 3 of each class"),
        ({"drawers": [0, 1, 0, 1, 0, 2]}, "drawer 2 has not drawn class 0"),
        ({"drawers": [0, 1] * 3, "shots": 2}, "group 0 has 2 drawers; an episode of 2 shots takes 3"),
        ({"ways": 1}, "ways is 1; it is an integer from 2"),
        ({"queries": 0}, "queries is 0; it is an integer from 1"),
        ({"embeddings": np.zeros((6, 3))}, "embeddings[0]"),
    ],
    ids=str,
)
def test_what_cannot_be_scored_is_refused(changes, text):
    given = {"embeddings": np.ones((6, 3)), "labels": [0, 0, 1, 1, 2, 2], "ways": 2, **changes}
    with pytest.raises(InvalidInputError) as caught:
        evaluate_episodes(**given)
    assert text in str(caught.value)
