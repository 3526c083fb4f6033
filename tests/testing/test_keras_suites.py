"""The checks of each kind find the mistakes that they are there for; those that need Keras."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from simplug.api import Backbone, Distance, Loss, Miner, Pairs, Reducer, Regularizer
from simplug.testing import BackboneSuite, DistanceSuite, LossSuite, MinerSuite, ReducerSuite, RegularizerSuite

FAILURES = (AssertionError, pytest.fail.Exception)


@attrs.frozen
class NaiveEuclidean(Distance):
    """A distance as in a textbook: its root has no gradient at 0, and its NumPy twin is another distance."""

    space = "l2"

    def __call__(self, queries, references):
        from keras import ops

        difference = ops.expand_dims(queries, 1) - ops.expand_dims(references, 0)
        return ops.sqrt(ops.sum(ops.square(difference), axis=-1))

    def numpy(self, queries, references):
        difference = queries[:, None] - references[None]
        return (difference**2).sum(axis=-1)


@pytest.mark.parametrize(
    "check",
    [
        "test_the_shape_is_queries_by_references",
        "test_keras_and_numpy_agree_on_random_rows",
        "test_the_gradient_is_finite_at_equal_rows",
        "test_the_gradient_is_finite_at_zero_rows",
        "test_half_precision_is_computed_in_float32",
    ],
)
def test_a_naive_distance_is_found(check):
    with pytest.raises(FAILURES):
        getattr(DistanceSuite(), check)(NaiveEuclidean())


@attrs.frozen
class NaiveLoss(Loss):
    """A loss that divides by the number of positive pairs, weighs by place, and checks nothing."""

    def value(self, batch):
        return self(batch.labels, batch.embeddings)

    def __call__(self, labels, embeddings, ref_labels=None, ref_embeddings=None, *, state=None, training=True):
        from keras import ops

        embeddings = ops.convert_to_tensor(embeddings)
        squares = ops.sum(ops.square(ops.expand_dims(embeddings, 1) - ops.expand_dims(embeddings, 0)), axis=-1)
        same = ops.cast(ops.equal(labels[:, None], labels[None]), embeddings.dtype)
        same = same - ops.eye(ops.shape(same)[0], dtype=same.dtype)
        place = ops.cast(ops.arange(ops.shape(same)[0]), same.dtype)[:, None]
        return ops.sum(place * same * ops.exp(squares)) / ops.sum(same)


@pytest.mark.parametrize(
    "check",
    [
        "test_the_order_of_the_batch_does_not_matter",
        "test_a_batch_without_positives_is_finite",
        "test_far_embeddings_are_finite",
        "test_a_single_example_gives_zero",
        "test_half_precision_is_computed_in_float32",
        "test_references_may_differ_in_number",
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")
def test_a_naive_loss_is_found(check):
    with pytest.raises(FAILURES):
        getattr(LossSuite(), check)(NaiveLoss())


@attrs.frozen
class Inventing(Miner):
    """A miner that makes pairs of everything near, halves the others, and depends on the place in the batch."""

    def __call__(self, distances, pairs, among=None):
        from keras import ops

        near = ops.cast(ops.convert_to_tensor(distances) < 0.5, "float32")
        columns = ops.cast(ops.arange(ops.shape(distances)[1]) < 6, "float32")
        return Pairs(pairs.positive * 0.5 * columns, near)


@pytest.mark.parametrize(
    "check",
    [
        "test_a_weight_stays_or_becomes_zero",
        "test_no_pairs_give_no_pairs",
        "test_one_class_gives_no_negatives",
        "test_the_order_of_the_batch_does_not_matter",
    ],
)
def test_a_miner_that_invents_pairs_is_found(check):
    with pytest.raises(FAILURES):
        getattr(MinerSuite(), check)(Inventing())


@attrs.frozen
class NaiveMean(Reducer):
    """A weighted mean without a thought for no weights, that lets values without weight in."""

    def reduce(self, term, labels=None):
        from keras import ops

        return ops.sum(ops.square(term.values)) / ops.sum(term.weights)


@pytest.mark.parametrize(
    "check",
    [
        "test_no_weight_gives_zero",
        "test_it_scales_with_the_values",
        "test_what_has_no_weight_does_not_count",
        "test_terms_are_added",
    ],
)
def test_a_naive_reducer_is_found(check):
    terms = {
        "test_terms_are_added": type(
            "Last", (NaiveMean,), {"__call__": lambda self, terms, labels=None: self.reduce(terms["negative"])}
        )
    }
    with pytest.raises(FAILURES):
        getattr(ReducerSuite(), check)(terms.get(check, NaiveMean)())


@attrs.frozen
class NaiveNorm(Regularizer):
    """The mean norm, whose gradient at a zero row is NaN."""

    def __call__(self, vectors):
        from keras import ops

        return ops.mean(ops.sqrt(ops.sum(ops.square(vectors), axis=1)))


def test_a_naive_regularizer_is_found():
    with pytest.raises(FAILURES):
        RegularizerSuite().test_zero_rows_are_finite(NaiveNorm())


@attrs.frozen
class Blind(Backbone):
    """A network that centres over its batch, ends in half precision under mixed precision, and takes any shape."""

    def build(self, input_shape):
        import keras

        inputs = keras.Input(input_shape)
        hidden = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)) if input_shape else inputs[:, None]
        hidden = keras.layers.Dense(4, kernel_initializer="zeros")(hidden)
        return keras.Model(inputs, hidden)


@pytest.mark.parametrize(
    "check",
    [
        "test_different_inputs_have_different_embeddings",
        "test_a_wrong_shape_is_refused",
        "test_mixed_precision_gives_float32_embeddings",
    ],
)
def test_a_blind_backbone_is_found(check):
    with pytest.raises(FAILURES):
        getattr(BackboneSuite(), check)(Blind())


def test_numbers_of_a_failed_comparison_are_shown():
    with pytest.raises(AssertionError, match="Mismatched elements"):
        DistanceSuite().test_keras_and_numpy_agree_on_random_rows(NaiveEuclidean())
    assert np.isfinite(NaiveEuclidean().numpy(np.zeros((1, 2)), np.ones((1, 2)))).all()
