"""Features of a frozen trunk, computed once: training on them is training the whole model."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import simplug
from simplug.api import Columns, DataError, InvalidInputError, Split
from simplug.learn.features import cached_features, split_frozen

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def images(count=60, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 128, (count, 16, 16, 1)) + 60 * labels[:, None, None, None]
    return Split(pixels.astype("uint8"), labels, labels // 2)


def conv4(**options):
    """A small encoder with a frozen trunk."""
    keras.utils.set_random_seed(1)
    trunk = simplug.backbones.build("conv4", filters=6).trunk((16, 16, 1))
    simplug.layers.freeze(trunk, ["trunk"])
    return simplug.layers.encoder(trunk, 4, **options)


@pytest.mark.parametrize("pooling", ["flatten", "gem"])
def test_the_head_trained_on_features_is_the_whole_model_trained(pooling):
    encoder, split = conv4(pooling=pooling), images()

    def trained(model, x):
        model = simplug.SimilarityModel(model.inputs, model.outputs)
        model.compile(keras.optimizers.Adam(0.01), "multi_similarity")
        model.fit(x, split.labels, batch_size=20, epochs=3, shuffle=False, verbose=0)
        return encoder.predict(split.inputs, verbose=0)

    start, untrained = encoder.get_weights(), encoder.predict(split.inputs, verbose=0)
    whole = trained(encoder, split.inputs)
    encoder.set_weights(start)
    trunk, head = split_frozen(encoder)
    on_features = trained(head, cached_features(trunk, split).inputs)
    assert np.abs(whole - untrained).max() > 0.01
    np.testing.assert_allclose(on_features, whole, atol=1e-5)


def test_the_cut_is_in_front_of_the_first_layer_that_is_trained():
    trunk, head = split_frozen(conv4(pooling="average"))
    assert trunk.output_shape == head.input_shape == (None, 6)
    trunk, head = split_frozen(conv4(pooling="gem"))
    assert trunk.output_shape == head.input_shape == (None, 1, 1, 6)
    assert not trunk.trainable_weights
    assert len(head.trainable_weights) == 3


def test_models_that_cannot_be_cut_are_refused():
    encoder = simplug.backbones.build("conv4", filters=6, embedding_dim=4).build((16, 16, 1))
    with pytest.raises(InvalidInputError, match=r"no frozen part in front of 'trunk'.* freeze=\['trunk'\]"):
        split_frozen(encoder)
    encoder.trainable = False
    with pytest.raises(InvalidInputError, match="has no layer that is trained"):
        split_frozen(encoder)
    inputs = keras.Input((4,))
    fixed = keras.layers.Dense(3, trainable=False)(inputs)
    around = keras.layers.Concatenate()([keras.layers.Dense(2, name="dense")(fixed), inputs])
    with pytest.raises(InvalidInputError, match="needs more than the input of 'dense'"):
        split_frozen(keras.Model(inputs, around, name="around"))


def test_features_are_those_of_the_trunk_and_labels_and_groups_stay():
    split = images()
    trunk, _ = split_frozen(conv4(pooling="average"))
    features = cached_features(trunk, split, batch_size=25)
    np.testing.assert_allclose(features.inputs, trunk.predict(split.inputs, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(features.labels, split.labels)
    np.testing.assert_array_equal(features.groups, split.groups)
    half = cached_features(trunk, split, dtype="float16")
    assert half.inputs.dtype == np.float16
    np.testing.assert_allclose(half.inputs, features.inputs, rtol=1e-3, atol=1e-4)


def test_features_in_a_folder_are_taken_again_whatever_layers_are_called(tmp_path):
    split = images()
    first = cached_features(split_frozen(conv4(pooling="average"))[0], split, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    written = (kept / "features.npy").stat().st_mtime_ns
    # The same trunk built again has layers with other numbers in their names; other batches are the same examples.
    again = cached_features(split_frozen(conv4(pooling="average"))[0], split, tmp_path / "cache", batch_size=7)
    assert list((tmp_path / "cache").iterdir()) == [kept]
    assert (kept / "features.npy").stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.inputs, first.inputs)
    assert not again.inputs.flags.writeable


def test_other_weights_layers_examples_and_dtypes_have_features_of_their_own(tmp_path):
    split = images()
    trunk, _ = split_frozen(conv4(pooling="average"))
    cached_features(trunk, split, tmp_path)
    cached_features(trunk, split, tmp_path, dtype="float16")
    cached_features(split_frozen(conv4(pooling="max"))[0], split, tmp_path)
    other = split.inputs.copy()
    other[3, 2, 1, 0] ^= 1
    cached_features(trunk, Split(other, split.labels), tmp_path)
    trunk.set_weights([weight + 0.1 for weight in trunk.get_weights()])
    cached_features(trunk, split, tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


def test_damaged_features_are_computed_anew(tmp_path):
    split = images()
    trunk, _ = split_frozen(conv4(pooling="average"))
    whole = np.array(cached_features(trunk, split, tmp_path).inputs)
    (kept,) = tmp_path.iterdir()
    data = bytearray((kept / "features.npy").read_bytes())
    data[-3] ^= 64
    (kept / "features.npy").write_bytes(data)
    with pytest.warns(RuntimeWarning, match="computed anew: .*is not as it was written"):
        again = cached_features(trunk, split, tmp_path)
    np.testing.assert_allclose(again.inputs, whole, atol=1e-6)


def test_features_that_are_not_finite_are_named_and_nothing_is_kept(tmp_path):
    inputs = keras.Input((2,))
    trunk = keras.Model(inputs, keras.layers.Rescaling(1000.0)(inputs))
    split = Split(np.array([[1, 2], [3, 4], [5, 600]], dtype="float32"), [0, 1, 2])
    with pytest.raises(DataError, match="the features of example 2 are not finite in float16"):
        cached_features(trunk, split, tmp_path, dtype="float16")
    assert list(tmp_path.iterdir()) == []
    assert cached_features(trunk, split).inputs[2, 1] == 600_000


def test_a_trunk_of_several_inputs_reads_columns():
    inputs = {name: keras.Input((2,), name=name) for name in ("left", "right")}
    trunk = keras.Model(inputs, keras.layers.Add()(list(inputs.values())))
    columns = Columns({"left": np.ones((5, 2), "float32"), "right": np.full((5, 2), 2, "float32")})
    features = cached_features(trunk, Split(columns, np.arange(5)), batch_size=2)
    np.testing.assert_array_equal(features.inputs, np.full((5, 2), 3))


def test_wrong_arguments_are_refused():
    inputs = keras.Input((2,))
    split = Split(np.ones((2, 2)), [0, 1])
    with pytest.raises(InvalidInputError, match="kept as float32 or float16, not 'int8'"):
        cached_features(keras.Model(inputs, inputs), split, dtype="int8")
    with pytest.raises(InvalidInputError, match="'two' has 2"):
        cached_features(keras.Model(inputs, [inputs, keras.layers.ReLU()(inputs)], name="two"), split)
