"""The numbers that tell of collapse, against their definitions; no model is trained."""

from __future__ import annotations

import math

import numpy as np
import pytest

import simplug
from simplug.learn.collapse_advice import advice
from simplug.learn.collapse_signs import CollapsedLoss, active_triplets, space_of


def points(count, dim=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def test_the_numbers_of_the_space_are_those_of_the_metrics():
    embeddings = points(40)
    scores = simplug.evaluation.evaluate_embeddings(
        embeddings, np.arange(40) % 4, metrics=["embedding_spread", "effective_rank"]
    )
    assert space_of(embeddings) == dict(scores)


@pytest.mark.parametrize("margin", [0.0, 0.3, 5.0])
def test_the_share_of_active_triplets_is_that_of_all_triplets(margin):
    labels = np.array([0, 0, 0, 1, 1, 7, 7, 7, 7, 9])
    distances = simplug.distances.build("euclidean").numpy(points(10), points(10))
    gaps = [
        distances[a, p] - distances[a, n] + margin
        for a in range(10)
        for p in range(10)
        for n in range(10)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]
    assert active_triplets(distances, labels, margin) == pytest.approx(np.mean(np.array(gaps) > 0))


def test_without_a_triplet_there_is_no_share():
    assert active_triplets(np.zeros((4, 4)), np.arange(4), 0.2) is None
    assert active_triplets(np.zeros((4, 4)), np.zeros(4, int), 0.2) is None


@pytest.mark.parametrize(
    ("loss", "value", "margin"),
    [
        ("triplet", 0.2, 0.2),
        ({"name": "triplet", "margin": 0.7, "distance": "cosine"}, 0.7, 0.7),
        ({"name": "triplet", "miner": "batch_hard"}, 0.2, 0.2),
        ({"name": "triplet", "soft": True, "margin": 0.3}, math.log(1 + math.exp(0.3)), 0.3),
        ("tfa_triplet_semihard", 1.0, 1.0),
        ("tfa_triplet_hard", 1.0, 1.0),
        ({"name": "tfa_triplet_hard", "soft": True}, math.log(2), 0.0),
        ("contrastive", 1.0, 0.0),
        ({"name": "contrastive", "neg_margin": 0.0}, None, 0.0),
        ({"name": "arcface", "num_classes": 4}, None, 0.0),
        ("multi_similarity", None, 0.0),
        ("simsiam", None, 0.0),
        (None, None, 0.0),
    ],
    ids=str,
)
def test_a_loss_of_equal_embeddings_is_the_margin_where_it_has_one(loss, value, margin):
    found = CollapsedLoss.of(None if loss is None else simplug.losses.build(loss), dim=6)
    assert found.margin == margin
    assert found.value == (None if value is None else pytest.approx(value, rel=1e-4))


def tries(sign, loss):
    return advice(sign, None if loss is None else simplug.losses.build(loss), 0.1)


def test_the_advice_depends_on_the_loss():
    assert "semi-hard" in tries("margin", "tfa_triplet_hard")[0]
    assert "semi-hard" in tries("spread", {"name": "triplet", "miner": "batch_hard"})[0]
    assert tries("margin", "triplet")[0] == "a learning rate below 0.1, with warm-up"
    assert any("normalize = true" in one for one in tries("margin", "tfa_triplet_hard"))
    assert not any("normalize = true" in one for one in tries("margin", {"name": "triplet", "distance": "cosine"}))
    assert any("predictor" in one for one in tries("spread", "simsiam"))
    assert any("vicreg" in one for one in tries("rank", "simclr"))
    assert any("scale" in one for one in tries("spread", {"name": "arcface", "num_classes": 4}))
    assert any("UnitNormalization" in one for one in tries("spread", None))


def test_what_the_advice_names_is_there():
    for kind, names in {
        "losses": ("tfa_triplet_semihard", "vicreg", "barlow_twins", "simclr", "tfa_triplet_hard"),
        "miners": ("triplet_margin", "batch_hard", "batch_easy_hard"),
    }.items():
        assert all(name in getattr(simplug, kind).names() for name in names)
    simplug.miners.build("triplet_margin", triplets="semi_hard")
