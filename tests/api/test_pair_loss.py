"""What every loss over pairs shares: pairs given as weights, regularizers; on losses that have nothing else."""

import attrs
import numpy as np
import pytest
from keras import ops

import simplug
from simplug.api import ClassLoss, InvalidInputError, PairLoss, Pairs, Regularizer, Term
from simplug.testing.tensors import array


@attrs.frozen(kw_only=True)
class Apart(PairLoss):
    """The mean distance of positives."""

    def terms(self, distances, pairs, batch):
        return {"positive": Term(distances, pairs.positive)}


@attrs.frozen(kw_only=True)
class Own(ClassLoss):
    """The mean product with the own class vector, negative."""

    def terms(self, batch):
        own = ops.take(ops.cast(batch.state["weight"], batch.embeddings.dtype), batch.labels, axis=0)
        values = -ops.sum(batch.embeddings * own, axis=1)
        return {"anchors": Term(values, ops.ones_like(values))}

    def logits(self, embeddings, state):
        return ops.matmul(embeddings, ops.transpose(state["weight"]))


@attrs.frozen
class SquaredNorm(Regularizer):
    """The mean squared norm."""

    def __call__(self, vectors):
        return ops.mean(ops.sum(ops.square(vectors), axis=1))


LABELS = np.array([0, 0, 1, 1, 1, 2])
EMBEDDINGS = np.random.default_rng(4).normal(size=(6, 4))
SAME = (LABELS[:, None] == LABELS[None, :]) & ~np.eye(6, dtype=bool)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
def test_pairs_given_as_weights_of_any_dtype_are_those_of_the_labels(dtype):
    pairs = Pairs(SAME.astype(dtype), (~SAME).astype(dtype))
    assert float(array(Apart().of_pairs(pairs, EMBEDDINGS))) == pytest.approx(
        float(array(Apart()(LABELS, EMBEDDINGS))), rel=1e-6
    )


def test_what_a_loss_of_given_pairs_cannot_take_is_refused_in_its_name():
    pairs = Pairs(SAME.astype(float), (~SAME).astype(float))
    with pytest.raises(InvalidInputError, match=r"^Apart: embeddings must have shape \(n, d\), not \(6, 4, 1\)$"):
        Apart().of_pairs(pairs, EMBEDDINGS[:, :, None])
    with pytest.raises(InvalidInputError, match=r"^Apart: embeddings must have shape \(n, d\), not \(6,\)$"):
        Apart().of_pairs(pairs, EMBEDDINGS, EMBEDDINGS[:, 0])
    margin = simplug.losses.build("margin", learn_beta=True)
    with pytest.raises(InvalidInputError, match=r"^Margin keeps beta from step to step"):
        margin.of_pairs(pairs, EMBEDDINGS)


def test_a_regularizer_adds_its_weighted_penalty():
    plain = float(array(Apart()(LABELS, EMBEDDINGS)))
    penalized = Apart(regularizer=SquaredNorm(), regularizer_weight=0.25)
    expected = plain + 0.25 * np.mean(np.sum(EMBEDDINGS**2, axis=1))
    assert float(array(penalized(LABELS, EMBEDDINGS))) == pytest.approx(expected, rel=1e-6)


def test_class_vectors_have_a_regularizer_of_their_own():
    state = {"weight": np.random.default_rng(5).normal(size=(3, 4))}
    plain = float(array(Own(num_classes=3)(LABELS, EMBEDDINGS, state=state)))
    options = {"regularizer": SquaredNorm(), "regularizer_weight": 0.25}
    on_vectors = {"weight_regularizer": SquaredNorm(), "weight_regularizer_weight": 3.0}
    by_rows, by_vectors = (np.mean(np.sum(rows**2, axis=1)) for rows in (EMBEDDINGS, state["weight"]))
    for given, penalty in (
        (on_vectors, 3 * by_vectors),
        (options | on_vectors, 0.25 * by_rows + 3 * by_vectors),
    ):
        found = Own(num_classes=3, **given)(LABELS, EMBEDDINGS, state=state)
        assert float(array(found)) == pytest.approx(plain + penalty, rel=1e-6)
