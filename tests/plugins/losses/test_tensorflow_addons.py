"""The losses of TensorFlow Addons, against loops written from their formulas."""

import math

import numpy as np
import pytest
from pairwise import EXACT, central_differences, every_batch_but, in_double, traced, with_references

import simplug
from simplug.testing.tensors import value_and_gradient


def same(labels, ref_labels=None):
    return labels[:, None] == (labels if ref_labels is None else ref_labels)[None, :]


def positives_of(alike, own):
    return [(a, p) for a, p in zip(*np.nonzero(alike), strict=True) if not (own and a == p)]


def contrastive(d, alike, own, margin=1.0):
    values = [
        d[i, j] ** 2 if alike[i, j] else max(margin - d[i, j], 0) ** 2
        for i in range(d.shape[0])
        for j in range(d.shape[1])
        if not (own and i == j)
    ]
    return np.mean(values) if values else 0.0


def semihard(d, alike, own, margin=1.0):
    values = []
    for a, p in positives_of(alike, own):
        negatives = d[a][~alike[a]]
        if len(negatives):
            farther = negatives[negatives > d[a, p]]
            d_an = min(farther) if len(farther) else max(negatives)
            values.append(max(d[a, p] - d_an + margin, 0))
    return np.mean(values) if values else 0.0


def hard(d, alike, own, margin=1.0, soft=False):
    values = []
    for a in range(len(d)):
        positives = [d[a, p] for i, p in positives_of(alike, own) if i == a]
        negatives = d[a][~alike[a]]
        if positives and len(negatives):
            gap = max(positives) - min(negatives)
            values.append(math.log1p(math.exp(gap)) if soft else max(gap + margin, 0))
    return np.mean(values) if values else 0.0


def npairs(d, alike, own):
    values = []
    for s, row in zip(1 - d, alike, strict=True):
        if row.any():
            logs = s - np.log(np.sum(np.exp(s)))
            values.append(-np.mean(logs[row]))
    return np.mean(values)


def lifted_struct(d, alike, own, margin=1.0):
    values = []
    for i, j in positives_of(alike, own):
        total = np.sum(np.exp(margin - d[i][~alike[i]])) + np.sum(np.exp(margin - d[:, j][~alike[:, j]]))
        values.append(0.5 * max(math.log(total) + d[i, j], 0) ** 2 if total else 0.0)
    return np.mean(values) if values else 0.0


LOSSES = [
    ("tfa_contrastive", {}, contrastive),
    ("tfa_contrastive", {"margin": 2.5}, contrastive),
    ("tfa_triplet_semihard", {}, semihard),
    ("tfa_triplet_semihard", {"margin": 0.2, "distance": "cosine"}, semihard),
    ("tfa_triplet_hard", {}, hard),
    ("tfa_triplet_hard", {"soft": True, "distance": "euclidean"}, hard),
    ("tfa_npairs", {}, npairs),
    ("tfa_lifted_struct", {}, lifted_struct),
    ("tfa_lifted_struct", {"margin": -1.0, "distance": "squared_euclidean"}, lifted_struct),
]

every_loss = pytest.mark.parametrize(
    ("name", "options", "definition"), LOSSES, ids=lambda value: getattr(value, "__name__", str(value))
)


def settings(options):
    return {key: value for key, value in options.items() if key != "distance"}


@every_loss
@every_batch_but("far")
def test_a_loss_equals_its_formula(name, options, definition, labels, embeddings):
    loss = simplug.losses.build(name, **options)
    expected = definition(loss.distance.numpy(embeddings, embeddings), same(labels), True, **settings(options))
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert value == pytest.approx(expected, rel=EXACT, abs=1e-6 * (EXACT > 1e-9))
    assert np.isfinite(slope).all()


@every_loss
def test_a_loss_against_references_equals_its_formula(name, options, definition):
    labels, embeddings, ref_labels, references = with_references()
    loss = simplug.losses.build(name, **options)
    distances = loss.distance.numpy(embeddings, references)
    expected = definition(distances, same(labels, ref_labels), False, **settings(options))
    assert float(loss(labels, embeddings, ref_labels, references)) == pytest.approx(expected, rel=EXACT)


@in_double
@every_loss
def test_the_gradient_equals_central_differences(name, options, definition):
    rng = np.random.default_rng(11)
    labels, embeddings = np.array([0, 1, 0, 2, 1, 0]), rng.normal(size=(6, 2))
    loss = simplug.losses.build(name, **options)
    _, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    expected = central_differences(traced(lambda rows: loss(labels, rows), embeddings), embeddings)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-7)


def test_positive_pairs_that_share_their_negative_both_move_it():
    loss = simplug.losses.build("tfa_triplet_semihard", distance="euclidean")
    labels = np.array([0, 0, 0, 1])
    embeddings = np.array([[0.0], [0.4], [-0.5], [0.9]])
    references = embeddings[1:]
    value, slope = value_and_gradient(lambda rows: loss(labels[:1], embeddings[:1], labels[1:], rows), references)
    # The anchor 0 has positives at distances 0.4 and 0.5, and for both the negative at 0.9.
    assert value == pytest.approx(((0.4 - 0.9 + 1) + (0.5 - 0.9 + 1)) / 2)
    assert slope[:, 0] == pytest.approx([0.5, -0.5, -1.0])


@pytest.mark.parametrize("name", ["tfa_triplet_semihard", "tfa_triplet_hard"])
def test_an_anchor_without_a_negative_costs_nothing(name):
    loss = simplug.losses.build(name)
    assert float(loss(np.zeros(3, int), np.random.default_rng(0).normal(size=(3, 2)))) == 0
