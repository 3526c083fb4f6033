"""A user's .keras file as a backbone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import simplug
from simplug.api import ArtifactError, InvalidInputError

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def pixels(count=3):
    return np.random.default_rng(0).integers(0, 256, (count, 6, 6, 1), dtype=np.uint8)


@pytest.fixture
def classifier(tmp_path):
    inputs = keras.Input((6, 6, 1), name="pixels")
    x = keras.layers.Conv2D(4, 3, name="conv1")(inputs)
    x = keras.layers.BatchNormalization(name="conv1_bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="classes")(x), name="classifier")
    path = tmp_path / "classifier.keras"
    model.save(path)
    return model, str(path)


def test_a_saved_model_gets_a_new_head(classifier):
    model, path = classifier
    encoder = simplug.backbones.build("saved", path=path, until="conv1_bn", embedding_dim=5, pooling="max").build(
        (6, 6, 1)
    )
    assert encoder.output_shape == (None, 5)
    expected = keras.Model(model.inputs[0], model.get_layer("conv1_bn").output).predict(pixels(), verbose=0)
    np.testing.assert_allclose(encoder.get_layer("trunk").predict(pixels(), verbose=0), expected, rtol=1e-5)


def test_a_saved_model_of_embeddings_is_used_as_it_is(classifier):
    model, path = classifier
    backbone = simplug.backbones.build("saved", path=path, embedding_dim="none", l2=False, rescale=2.0)
    np.testing.assert_allclose(
        backbone.build((6, 6, 1)).predict(pixels(), verbose=0),
        model.predict(pixels().astype("float32") * 2, verbose=0),
        rtol=1e-5,
    )


def test_its_layers_are_frozen_by_prefix(classifier):
    _, path = classifier
    encoder = simplug.backbones.build("saved", path=path, until="pool", freeze=["conv1"], embedding_dim=5).build(
        (6, 6, 1)
    )
    assert len(encoder.trainable_weights) == 2
    with pytest.raises(InvalidInputError, match="begins with 'conv7'; its layers are trunk, examples, classifier"):
        simplug.backbones.build("saved", path=path, freeze=["conv7"]).build((6, 6, 1))


@pytest.mark.parametrize("kind", [keras.Model, simplug.SimilarityModel])
def test_the_trunk_of_an_encoder_of_simplug_is_used_again(kind, tmp_path):
    first = simplug.backbones.build("conv4", filters=3, embedding_dim=4).build((16, 16, 1))
    model = kind(first.inputs, first.outputs)
    model.compile("sgd", "mse") if kind is keras.Model else model.compile("sgd", {"name": "arcface", "num_classes": 3})
    model.save(tmp_path / "first.keras")
    path = str(tmp_path / "first.keras")
    backbone = simplug.backbones.build("saved", path=path, until="trunk", embedding_dim=7, pooling="flatten")
    encoder = backbone.build((16, 16, 1))
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), dtype=np.uint8)
    np.testing.assert_allclose(
        encoder.get_layer("trunk").predict(images, verbose=0),
        first.get_layer("trunk").predict(images, verbose=0),
        atol=1e-6,
    )
    assert encoder.output_shape == (None, 7)
    again = keras.Model(encoder.inputs, encoder.outputs)
    again.save(tmp_path / "again.keras")
    np.testing.assert_array_equal(
        keras.saving.load_model(tmp_path / "again.keras").predict(images, verbose=0),
        encoder.predict(images, verbose=0),
    )


@pytest.mark.slow
def test_a_similarity_model_is_read_where_only_the_backbone_was_asked_for(tmp_path, python):
    first = simplug.backbones.build("mlp", units=[4], embedding_dim=3).build((5,))
    simplug.SimilarityModel(first.inputs, first.outputs).save(tmp_path / "model.keras")
    done = python(
        "import simplug\n"
        f"model = simplug.backbones.build('saved', path={str(tmp_path / 'model.keras')!r}).build((5,))\n"
        "print(model.output_shape)\n"
    )
    assert done.stdout == "(None, 64)\n", done.stderr


def test_what_cannot_be_used_is_refused(classifier, tmp_path):
    model, path = classifier

    def build(shape=(6, 6, 1), **options):
        return simplug.backbones.build("saved", **{"path": path, **options}).build(shape)

    with pytest.raises(InvalidInputError, match=r"takes examples of shape \(6, 6, 1\), not \(7, 6, 1\)"):
        build((7, 6, 1))
    with pytest.raises(InvalidInputError, match="no layer 'conv2'; its layers are pixels, conv1, conv1_bn, pool"):
        build(until="conv2")
    with pytest.raises(ArtifactError, match=r"backbone saved: there is no file .*missing.keras"):
        build(path=str(tmp_path / "missing.keras"))
    (tmp_path / "model.h5").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"model.h5 must end in .keras"):
        build(path=str(tmp_path / "model.h5"))
    (tmp_path / "broken.keras").write_bytes(b"no zip file")
    with pytest.raises(ArtifactError, match=r"broken.keras cannot be read as a Keras model"):
        build(path=str(tmp_path / "broken.keras"))
    keras.Model(model.inputs[0], [model.output, model.get_layer("pool").output]).save(tmp_path / "two.keras")
    with pytest.raises(InvalidInputError, match="has 1 inputs and 2 outputs; one of each is needed"):
        build(path=str(tmp_path / "two.keras"))


def test_a_file_that_brings_code_is_refused(tmp_path):
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs)).save(tmp_path / "code.keras")
    with pytest.raises(ArtifactError, match="cannot be read as a Keras model"):
        simplug.backbones.build("saved", path=str(tmp_path / "code.keras")).build((3,))
