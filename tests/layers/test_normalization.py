"""Batch normalisation in one operation against that of Keras, under whichever backend Keras has."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from simplug.api.layers import ImageBatchNormalization

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

ONLY_TENSORFLOW = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="gradients by a tape of TensorFlow"
)


def images(dtype="float32", shape=(6, 5, 4, 3)):
    values = np.random.default_rng(0).normal(2.0, 3.0, shape).astype("float32")
    return ops.cast(ops.convert_to_tensor(values), dtype)


def pair(rank=4, **options):
    """Return this layer and that of Keras, with the same weights, none of which is at its start."""
    layers = [ImageBatchNormalization(**options), keras.layers.BatchNormalization(**options)]
    for layer in layers:
        layer.build((*[None] * (rank - 1), 3))
        rng = np.random.default_rng(1)
        layer.set_weights([rng.uniform(0.5, 2.0, weight.shape) for weight in layer.weights])
    return layers


def array(tensor):
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.9, "epsilon": 1e-5}, {"scale": False}, {"center": False}], ids=str
)
def test_training_gives_the_numbers_and_the_averages_of_keras(options):
    ours, theirs = pair(**options)
    for _ in range(2):
        np.testing.assert_allclose(
            array(ours(images(), training=True)), array(theirs(images(), training=True)), atol=2e-5
        )
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)


def test_use_is_that_of_keras_and_moves_nothing():
    ours, theirs = pair()
    before = ours.get_weights()
    np.testing.assert_array_equal(array(ours(images())), array(theirs(images())))
    assert all(np.array_equal(mine, was) for mine, was in zip(ours.get_weights(), before, strict=True))


def test_a_frozen_layer_is_used_even_in_training():
    ours, theirs = pair()
    ours.trainable = theirs.trainable = False
    np.testing.assert_array_equal(array(ours(images(), training=True)), array(theirs(images(), training=True)))


@pytest.mark.parametrize("shape", [(6, 3), (2, 4, 4, 4, 3)], ids=str)
def test_other_than_images_are_normalised_as_by_keras(shape):
    ours, theirs = pair(rank=len(shape))
    np.testing.assert_array_equal(
        array(ours(images(shape=shape), training=True)), array(theirs(images(shape=shape), training=True))
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_its_statistics_in_single(policy):
    ours, theirs = pair(dtype=policy)
    inputs = images(ours.compute_dtype)
    result = ours(inputs, training=True)
    assert keras.backend.standardize_dtype(result.dtype) == ours.compute_dtype
    np.testing.assert_allclose(array(result), array(theirs(inputs, training=True)), atol=0.05)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3)


@ONLY_TENSORFLOW
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "XLA"])
def test_gradients_are_those_of_keras(jit):
    import tensorflow as tf

    direction = np.random.default_rng(2).normal(size=(6, 5, 4, 3)).astype("float32")

    def gradients(layer):
        @tf.function(jit_compile=jit)
        def taken(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_sum(layer(x, training=True) * direction)
            return tape.gradient(value, [x, layer.gamma.value, layer.beta.value])

        return taken(images())

    for mine, other in zip(*map(gradients, pair()), strict=True):
        np.testing.assert_allclose(array(mine), array(other), atol=2e-4)


def test_a_saved_model_has_it_and_the_same_numbers(tmp_path):
    ours, _ = pair()
    model = keras.Sequential([keras.Input((5, 4, 3)), ours])
    ours.set_weights([np.full(weight.shape, 7.0) for weight in ours.weights])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is ImageBatchNormalization
    np.testing.assert_array_equal(array(loaded(images())), array(model(images())))
