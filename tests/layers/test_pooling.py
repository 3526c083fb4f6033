"""Generalized-mean pooling against its formula in float64, under whichever backend Keras has."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import ops

from simplug.api import InvalidInputError
from simplug.api.layers import GeneralizedMeanPooling1D, GeneralizedMeanPooling2D

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

PEER_IMAGE = np.arange(1, 13, dtype="float32").reshape(1, 2, 3, 2)


def definition(x, p, axes):
    """The formula of the paper, in float64."""
    return (np.maximum(x.astype(np.float64), 1e-6) ** p).mean(axis=axes) ** (1 / p)


def pooled(layer, x):
    return np.asarray(ops.convert_to_numpy(layer(x)))


def activations(shape, seed=0):
    """Numbers as after a ReLU: half of them are zero."""
    return np.maximum(np.random.default_rng(seed).normal(size=shape), 0).astype("float32")


@pytest.mark.parametrize("p", [0.5, 1, 3, 10])
@pytest.mark.parametrize("learnable", [True, False])
def test_it_is_the_formula_of_the_paper(p, learnable):
    images, sequences = activations((4, 5, 6, 3)), activations((4, 9, 3))
    layer = GeneralizedMeanPooling2D(p, learnable=learnable)
    np.testing.assert_allclose(pooled(layer, images), definition(images, p, (1, 2)), rtol=2e-5)
    layer = GeneralizedMeanPooling1D(p, learnable=learnable)
    np.testing.assert_allclose(pooled(layer, sequences), definition(sequences, p, 1), rtol=2e-5)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (1.0, [6, 7]),
        (3.0, [7.5243654, 8.524365]),
        (0.0, [4.671655, 5.671655]),
        (-1.0, [3.1945295, 4.1945295]),
    ],
)
def test_shifted_it_has_the_values_of_tensorflow_similarity(p, expected):
    layer = GeneralizedMeanPooling2D(p, learnable=False, shift=True)
    np.testing.assert_allclose(pooled(layer, PEER_IMAGE), [expected], rtol=1e-6)


def test_shifted_it_agrees_with_their_other_fixture_in_one_dimension_too():
    rows = np.repeat(np.array([[0, 5], [5, 10], [10, 15]], dtype="float32"), 3, axis=0).reshape(1, 3, 3, 2)
    for p, expected in ((1.0, [5, 10]), (0.0, [3.0412402, 8.041241]), (math.inf, [10, 15])):
        layer = GeneralizedMeanPooling2D(p, learnable=False, shift=True)
        np.testing.assert_allclose(pooled(layer, rows), [expected], rtol=1e-6)
    steps = np.arange(1, 10, dtype="float32").reshape(1, 3, 3).transpose(0, 2, 1)
    layer = GeneralizedMeanPooling1D(0.0, learnable=False, shift=True)
    np.testing.assert_allclose(pooled(layer, steps), [[1.8171206, 4.8171206, 7.8171206]], rtol=1e-6)


def test_without_the_shift_a_channel_whose_minimum_is_not_1_differs_from_theirs():
    value = pooled(GeneralizedMeanPooling2D(3.0), PEER_IMAGE)
    np.testing.assert_allclose(value, definition(PEER_IMAGE, 3, (1, 2)), rtol=1e-6)
    assert value[0, 0] == pytest.approx(7.5243654, rel=1e-6)
    assert value[0, 1] == pytest.approx(8.3777, rel=1e-4)


def test_powers_at_the_ends_are_maximum_and_minimum():
    x = activations((2, 3, 3, 4)) + 0.5
    np.testing.assert_allclose(pooled(GeneralizedMeanPooling2D(math.inf, learnable=False), x), x.max(axis=(1, 2)))
    np.testing.assert_allclose(pooled(GeneralizedMeanPooling2D(-math.inf, learnable=False), x), x.min(axis=(1, 2)))


@pytest.mark.parametrize(("p", "scale"), [(50.0, 1e6), (50.0, 1e-3), (1000.0, 1.0)])
def test_neither_a_large_power_nor_large_activations_overflow(p, scale):
    x = (activations((2, 4, 4, 3)) * scale).astype("float32")
    value = pooled(GeneralizedMeanPooling2D(p), x)
    assert np.isfinite(value).all()
    np.testing.assert_allclose(value, x.max(axis=(1, 2)), rtol=0.06)


def test_pooled_axes_are_kept_on_demand_whatever_the_power():
    x = activations((2, 4, 5, 3))
    for p in (3.0, math.inf):
        kept = GeneralizedMeanPooling2D(p, learnable=False, keepdims=True)
        assert pooled(kept, x).shape == (2, 1, 1, 3) == kept.compute_output_shape(x.shape)
    one = GeneralizedMeanPooling1D(math.inf, learnable=False, keepdims=True)
    assert pooled(one, x[:, 0]).shape == (2, 1, 3) == one.compute_output_shape((2, 5, 3))


def test_channels_may_come_first():
    x = activations((2, 4, 5, 3))
    first = GeneralizedMeanPooling2D(data_format="channels_first")
    np.testing.assert_allclose(pooled(first, x.transpose(0, 3, 1, 2)), pooled(GeneralizedMeanPooling2D(), x), rtol=1e-6)
    assert first.compute_output_shape((2, 3, 4, 5)) == (2, 3)


def test_the_size_of_images_may_be_open():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, GeneralizedMeanPooling2D()(inputs))
    x = activations((2, 4, 5, 3))
    np.testing.assert_allclose(model.predict(x, verbose=0), definition(x, 3, (1, 2)), rtol=2e-5)


def test_the_power_is_learned_and_saved_and_zeros_do_no_harm(tmp_path):
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, GeneralizedMeanPooling2D(name="pooling")(keras.layers.ReLU()(inputs)))
    x = np.random.default_rng(0).normal(size=(16, 4, 4, 3)).astype("float32")
    x[:4] = 0
    # The maximum is what a large power comes near to.
    model.compile(keras.optimizers.Adam(0.1), "mse")
    history = model.fit(x, np.maximum(x, 0).max(axis=(1, 2)), epochs=10, verbose=0).history["loss"]
    power = float(ops.convert_to_numpy(model.get_layer("pooling").weights[0]))
    assert power > 3.5
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_learned_power_stays_above_0():
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, GeneralizedMeanPooling2D(0.2, name="pooling")(inputs))
    x = activations((8, 4, 4, 3))
    model.compile(keras.optimizers.SGD(100.0), "mse")
    model.fit(x, np.zeros((8, 3)), epochs=5, verbose=0)
    power = ops.convert_to_numpy(model.get_layer("pooling").weights[0])
    assert power == pytest.approx(0.1)
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_half_precision_is_for_what_comes_in_and_goes_out():
    x = (activations((2, 8, 8, 3)) * 300).astype("float16")
    layer = GeneralizedMeanPooling2D(3.0, dtype="mixed_float16")
    value = layer(x)
    assert keras.backend.standardize_dtype(value.dtype) == "float16"
    np.testing.assert_allclose(ops.convert_to_numpy(value), definition(x, 3, (1, 2)), rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": 0.0}, "a learned p starts at a finite number of at least 0.1, not at 0.0; pass learnable=False"),
        ({"p": math.inf}, "not at inf"),
        ({"p": math.nan, "learnable": False}, "p is a number or an infinity, not nan"),
        ({"p": "3"}, "p is a number or an infinity, not '3'"),
        ({"data_format": "last"}, "data_format is 'channels_last' or 'channels_first', not 'last'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=f"GeneralizedMeanPooling2D: .*{message}"):
        GeneralizedMeanPooling2D(**arguments)


def test_its_config_makes_an_equal_layer():
    layer = GeneralizedMeanPooling2D(2.5, learnable=False, shift=True, keepdims=True, name="gem")
    assert GeneralizedMeanPooling2D.from_config(layer.get_config()).get_config() == layer.get_config()
