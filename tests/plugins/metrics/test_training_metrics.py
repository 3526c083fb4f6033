"""Training metrics against their definitions in float64, and at collapse."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.api import PairSummary
from simplug.api.pair_counts import Distances

NONE = Distances(0, np.nan, np.nan, np.nan)
PAIRS = PairSummary(Distances(3, 0.2, 0.1, 0.3), Distances(9, 1.2, 0.7, 1.9))


def score(name, embeddings, pairs=PAIRS):
    return simplug.metrics.build(name).score(np.asarray(embeddings, np.float32), pairs)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean_positive_distance", 0.2),
        ("min_positive_distance", 0.1),
        ("max_positive_distance", 0.3),
        ("mean_negative_distance", 1.2),
        ("min_negative_distance", 0.7),
        ("max_negative_distance", 1.9),
    ],
)
def test_a_distance_is_that_of_the_pairs_and_0_where_there_is_none(name, value):
    assert score(name, np.eye(3)) == value
    assert score(name, np.eye(3), PairSummary(NONE, NONE)) == 0.0


def test_small_positive_and_large_negative_distances_are_the_better_ones():
    ways = {name: simplug.metrics.get(name).maximize for name in simplug.metrics.names() if "_distance" in name}
    assert ways == {name: "negative" in name for name in ways}
    assert len(ways) == 6


class TestEmbeddingSpread:
    @pytest.mark.parametrize("count", [2, 50, 20_000])
    def test_it_is_the_mean_deviation_of_directions(self, count):
        embeddings = np.random.default_rng(0).normal(1, 2, size=(count, 6)).astype(np.float32)
        units = embeddings.astype(np.float64) / np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
        assert score("embedding_spread", embeddings) == pytest.approx(units.std(axis=0).mean() * np.sqrt(6), abs=1e-9)

    def test_a_normal_distribution_has_1(self):
        embeddings = np.random.default_rng(0).normal(size=(20_000, 16))
        assert score("embedding_spread", embeddings) == pytest.approx(1, abs=0.005)

    @pytest.mark.parametrize("one", [[0.1, 0.7, -0.3], [0.0, 0.0, 0.0], [1e-30, 0, 0], [1e18, 3e17, 0]])
    def test_equal_embeddings_have_exactly_0(self, one):
        assert score("embedding_spread", np.tile(one, (9000, 1))) == 0.0

    def test_the_length_of_embeddings_does_not_count(self):
        embeddings = np.random.default_rng(0).normal(size=(40, 5))
        lengths = np.random.default_rng(1).uniform(0.5, 2, size=(40, 1))
        assert score("embedding_spread", lengths * embeddings) == pytest.approx(
            score("embedding_spread", embeddings), abs=1e-6
        )


class TestEffectiveRank:
    @pytest.mark.parametrize(("count", "dim"), [(2, 5), (7, 5), (5, 7), (20_000, 4)])
    def test_it_is_the_exponential_of_the_entropy_of_singular_values(self, count, dim):
        embeddings = (np.random.default_rng(0).normal(size=(count, dim)) * np.arange(1, dim + 1) + 3).astype(np.float32)
        values = (
            np.linalg.svd(embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64))[1]
            if (count < 100)
            else np.sqrt(np.linalg.eigvalsh(np.cov(embeddings.T.astype(np.float64))))
        )
        shares = values[values > 1e-12 * values.max()] / values.sum()
        assert score("effective_rank", embeddings) == pytest.approx(np.exp(-np.sum(shares * np.log(shares))), rel=1e-6)

    def test_directions_of_one_size_count_each_and_others_not(self):
        corners = np.concatenate([np.eye(8)[:3], -np.eye(8)[:3]])
        assert score("effective_rank", corners) == pytest.approx(3)
        assert score("effective_rank", [[0, 0], [1, 1], [3, 3]]) == pytest.approx(1)

    @pytest.mark.parametrize("one", [[0.1, 0.7, -0.3], [0.0, 0.0, 0.0], [1e18, 3e17, 0]])
    def test_equal_embeddings_have_exactly_0(self, one):
        assert score("effective_rank", np.tile(one, (9000, 1))) == 0.0

    def test_neither_place_nor_rotation_nor_size_count(self):
        rng = np.random.default_rng(3)
        embeddings = rng.normal(size=(60, 6)) * [3, 2, 1, 1, 0.1, 0.1]
        rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
        moved = 7 * (embeddings @ rotation) + 2
        assert score("effective_rank", moved) == pytest.approx(score("effective_rank", embeddings), rel=1e-4)
