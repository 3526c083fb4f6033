"""Trunks become encoders: pooling, embedding, several heads, frozen layers; under whichever backend Keras has."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from simplug.api import InvalidInputError
from simplug.api.layers import EmbeddingHead, encoder, freeze, multi_head_encoder

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def trunk():
    inputs = keras.Input((6, 6, 2), name="images")
    x = keras.layers.Conv2D(5, 3, name="conv1")(inputs)
    x = keras.layers.BatchNormalization(name="conv1_bn")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(inputs, keras.layers.ReLU(name="relu")(x), name="trunk")


def images(count=4):
    return np.random.default_rng(0).normal(size=(count, 6, 6, 2)).astype("float32")


def numbers(values):
    return np.asarray(ops.convert_to_numpy(values))


@pytest.mark.parametrize(
    ("pooling", "definition"),
    [
        ("average", lambda maps: maps.mean(axis=(1, 2))),
        ("max", lambda maps: maps.max(axis=(1, 2))),
        ("gem", lambda maps: (np.maximum(maps, 1e-6) ** 3).mean(axis=(1, 2)) ** (1 / 3)),
        ("flatten", lambda maps: maps.reshape(len(maps), -1)),
    ],
)
def test_an_encoder_is_trunk_pooling_and_embedding(pooling, definition):
    model = encoder(trunk(), 3, pooling=pooling)
    assert [layer.name for layer in model.layers] == ["images", "trunk", "pooling", "embedding"]
    maps = numbers(model.get_layer("trunk")(images())).astype(np.float64)
    kernel, bias = (numbers(weight) for weight in model.get_layer("embedding").weights)
    expected = definition(maps) @ kernel + bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(numbers(model(images())), expected, atol=1e-5)


def test_without_dense_layer_and_norm_the_features_are_the_embedding():
    model = encoder(trunk(), None, pooling="max", l2=False)
    np.testing.assert_allclose(
        numbers(model(images())), numbers(model.get_layer("trunk")(images())).max(axis=(1, 2)), rtol=1e-6
    )


def test_sequences_and_vectors_are_pooled_or_not():
    steps = keras.Input((7, 3))
    assert encoder(keras.Model(steps, steps), 4, pooling="gem").output_shape == (None, 4)
    vectors = keras.Input((7,))
    model = encoder(keras.Model(vectors, vectors), None)
    assert "pooling" not in [layer.name for layer in model.layers]
    assert model.output_shape == (None, 7)


def test_under_mixed_precision_embeddings_are_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = encoder(trunk(), 3)
        bare = encoder(trunk(), None)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("trunk").get_layer("conv1").compute_dtype == "bfloat16"
    for one in (model, bare):
        embeddings = one(images())
        assert keras.backend.standardize_dtype(embeddings.dtype) == "float32"
        np.testing.assert_allclose(np.linalg.norm(numbers(embeddings), axis=1), 1, atol=1e-6)


def test_a_row_of_zeros_stays_zero_and_its_gradient_is_no_nan():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, EmbeddingHead(2, use_bias=False)(inputs))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.array([[0, 0, 0], [1, 2, 3]], dtype="float32")
    assert (model.predict(x, verbose=0)[0] == 0).all()
    model.fit(x, np.ones((2, 2)), verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_the_embedding_head_survives_its_config():
    layer = EmbeddingHead(7, l2=False, use_bias=False, name="head")
    assert EmbeddingHead.from_config(layer.get_config()).get_config() == layer.get_config()
    for units in (0, -1, 2.5, True, "8"):
        with pytest.raises(InvalidInputError, match="units is a whole number of at least 1, or None"):
            EmbeddingHead(units)
    with pytest.raises(InvalidInputError, match=r"features have shape \(n, m\), not \(4, 6, 6, 2\)"):
        EmbeddingHead(3)(images())


def test_heads_have_names_and_lengths_of_their_own_and_share_the_trunk():
    model = multi_head_encoder(trunk(), {"colour": 3, "shape": None})
    assert set(model.output) == {"colour", "shape"}
    embeddings = model.predict(images(), verbose=0)
    assert embeddings["colour"].shape == (4, 3)
    assert embeddings["shape"].shape == (4, 5)
    one = keras.Model(model.inputs, model.output["colour"])
    np.testing.assert_allclose(one.predict(images(), verbose=0), embeddings["colour"], atol=1e-6)


def test_wrong_trunks_and_poolings_are_refused():
    with pytest.raises(InvalidInputError, match="pooling is one of 'average', 'max', 'gem', 'flatten', not 'mean'"):
        encoder(trunk(), pooling="mean")
    vector = keras.Input((4,))
    two = keras.Model(vector, [vector, keras.layers.Dense(2)(vector)], name="two")
    with pytest.raises(InvalidInputError, match="a trunk has one output; 'two' has 2"):
        encoder(two)
    deep = keras.Input((2, 2, 2, 1))
    with pytest.raises(InvalidInputError, match=r"that of 'deep' is \(None, 2, 2, 2, 1\)"):
        encoder(keras.Model(deep, deep, name="deep"))
    unsized = keras.Input((None, None, 3))
    with pytest.raises(InvalidInputError, match="cannot be flattened; choose another pooling"):
        encoder(keras.Model(unsized, unsized), pooling="flatten")
    with pytest.raises(InvalidInputError, match="needs at least one head"):
        multi_head_encoder(trunk(), {})


def test_layers_are_frozen_by_the_beginnings_of_their_names():
    model = encoder(trunk(), 3)
    assert freeze(model, ["conv1"]) == ["conv1", "conv1_bn"]
    assert [weight.path for weight in model.trainable_weights] == ["embedding/dense/kernel", "embedding/dense/bias"]


def test_a_frozen_batch_normalisation_and_a_frozen_trunk_run_as_in_use():
    frozen = trunk()
    assert freeze(frozen, ["trunk"]) == ["trunk"]
    model = encoder(frozen, 3)
    # Neither dropout nor the statistics of the batch: training and use are the same.
    np.testing.assert_allclose(numbers(model(images(), training=True)), numbers(model(images())), atol=1e-6)
    kept = [numbers(weight) for weight in frozen.weights]
    model.compile("sgd", "mse")
    model.fit(images(), np.ones((4, 3)), verbose=0)
    for before, weight in zip(kept, frozen.weights, strict=True):
        np.testing.assert_array_equal(numbers(weight), before)
    model.get_layer("trunk").trainable = True
    assert np.abs(numbers(model(images(), training=True)) - numbers(model(images()))).max() > 0.01


def test_what_was_frozen_is_frozen_when_it_is_loaded(tmp_path):
    part = trunk()
    freeze(part, ["conv1_bn"])
    model = encoder(part, 3)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert [weight.path for weight in again.trainable_weights] == [weight.path for weight in model.trainable_weights]
    np.testing.assert_array_equal(again.predict(images(), verbose=0), model.predict(images(), verbose=0))


def test_a_prefix_that_begins_no_name_is_refused_and_nothing_is_frozen():
    model = trunk()
    with pytest.raises(
        InvalidInputError,
        match="no layer of 'trunk' begins with 'conv2'; its layers are trunk, images, conv1, conv1_bn, dropout, relu",
    ):
        freeze(model, ["conv1", "conv2"])
    assert len(model.trainable_weights) == 4
    with pytest.raises(InvalidInputError, match=r"write \['conv1'\]"):
        freeze(model, "conv1")


def test_of_many_layers_the_beginnings_are_listed():
    inputs = x = keras.Input((2,), name="inputs")
    for number in range(60):
        x = keras.layers.Activation("relu", name=f"block{number // 2}_act{number % 2}")(x)
    with pytest.raises(InvalidInputError, match="its 62 layers begin with deep, inputs, block0, block1, block2"):
        freeze(keras.Model(inputs, x, name="deep"), ["stage"])
