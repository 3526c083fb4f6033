"""The models themselves; these tests import Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from simplug_backbones.mlp import Mlp
from simplug_backbones.small_cnn import SmallCnn

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates, whatever the network is.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

BACKBONES = [(SmallCnn(), (28, 28, 1)), (SmallCnn(), (8, 8, 1)), (Mlp(), (8, 8, 1)), (Mlp(rescale=1.0), (20,))]


def pixels(shape, count=5):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize(("backbone", "shape"), BACKBONES)
def test_bytes_become_float32_vectors_of_length_1(backbone, shape):
    model = backbone.build(shape)
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, 64)
    embeddings = model.predict(pixels(shape), verbose=0)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_the_network_of_the_hello_world_has_its_327200_parameters():
    assert SmallCnn().build((28, 28, 1)).count_params() == 327_200


@pytest.mark.parametrize("shape", [(14, 14, 3), (13, 13, 3), (2, 2, 1), (15, 40, 1)])
def test_the_smallest_images_and_oblong_ones_can_be_embedded(shape):
    assert SmallCnn(embedding_dim=3).build(shape).predict(pixels(shape), verbose=0).shape == (5, 3)


def test_padding_is_valid_from_14_pixels_on_and_the_same_below():
    def size_of(model):
        return next(layer for layer in model.layers if isinstance(layer, keras.layers.Flatten)).input.shape[1:]

    assert size_of(SmallCnn().build((14, 14, 1))) == (1, 1, 64)
    assert size_of(SmallCnn().build((13, 13, 1))) == (6, 6, 64)
    assert size_of(SmallCnn(padding="same").build((28, 28, 1))) == (14, 14, 64)


def test_the_mlp_is_what_its_settings_say():
    model = Mlp(units=(7, 5), embedding_dim=3, activation="tanh", rescale=0.5).build((4,))
    inputs = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    x = inputs * 0.5
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for layer in dense:
        kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in layer.weights)
        x = x @ kernel + bias
        x = np.tanh(x) if layer is not dense[-1] else x
    np.testing.assert_allclose(
        model.predict(inputs, verbose=0), x / np.linalg.norm(x, axis=1, keepdims=True), atol=1e-6
    )


@pytest.mark.parametrize(("backbone", "shape"), [(SmallCnn(dropout=0.2), (14, 14, 1)), (Mlp(), (8, 8, 1))])
def test_a_saved_model_is_loaded_without_custom_objects(backbone, shape, tmp_path):
    model = backbone.build(shape)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects=None, safe_mode=True)
    np.testing.assert_array_equal(loaded.predict(pixels(shape), verbose=0), model.predict(pixels(shape), verbose=0))


@pytest.mark.parametrize(("backbone", "shape"), [(SmallCnn(), (14, 14, 1)), (Mlp(), (8, 8, 1))])
def test_under_mixed_precision_the_embedding_is_still_normalised_in_float32(backbone, shape):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = backbone.build(shape)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.layers[2].compute_dtype == "bfloat16"
    embeddings = model.predict(pixels(shape), verbose=0)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("backbone", "shape"), [(SmallCnn(), (14, 14, 1)), (Mlp(), (8, 8, 1))])
def test_the_first_weights_follow_the_seed_of_keras(backbone, shape):
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return np.concatenate([weight.ravel() for weight in backbone.build(shape).get_weights()])

    np.testing.assert_array_equal(weights(3), weights(3))
    assert not np.array_equal(weights(3), weights(4))


def test_dropout_acts_in_training_alone():
    model = SmallCnn(dropout=0.5).build((14, 14, 1))
    inputs = pixels((14, 14, 1)).astype(np.float32)
    first, second = (keras.ops.convert_to_numpy(model(inputs, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    first, second = (keras.ops.convert_to_numpy(model(inputs, training=False)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
