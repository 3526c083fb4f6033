"""Models of keras.applications: their images, their weights from files, and what is frozen."""

from __future__ import annotations

import importlib
import socket

import keras
import numpy as np
import pytest
from simplug_backbones.applications import classes
from simplug_backbones.families import FAMILY_OF
from simplug_backbones.preprocessing import preprocessed

import simplug
from simplug.api import ArtifactError, InvalidInputError

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

SMALL = "mobilenetv3small"


def pixels(shape, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def features(model, images):
    """Call a model once; to compile it for that would take longer."""
    return keras.ops.convert_to_numpy(model(images))


@pytest.fixture(scope="module")
def network():
    """The smallest of the models, with weights that others can be compared with."""
    keras.utils.set_random_seed(5)
    return keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    network.save_weights(path)
    return str(path)


def test_every_model_of_keras_is_a_backbone():
    models = {name for name in dir(keras.applications) if name[0].isupper()}
    assert set(FAMILY_OF) == models
    assert set(classes()) == {name.lower() for name in models}


@pytest.mark.parametrize("name", sorted({family.models[-1] for family in FAMILY_OF.values()}))
def test_keras_itself_refuses_images_under_the_least_size(name):
    side = FAMILY_OF[name].least - 1
    with pytest.raises(ValueError, match="nput size must be at least"):
        getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(side, side, 3))


@pytest.mark.parametrize(
    ("module", "model"),
    [
        ("convnext", "ConvNeXtTiny"),
        ("densenet", "DenseNet121"),
        ("efficientnet", "EfficientNetB0"),
        ("efficientnet_v2", "EfficientNetV2B0"),
        ("inception_resnet_v2", "InceptionResNetV2"),
        ("inception_v3", "InceptionV3"),
        ("mobilenet", "MobileNet"),
        ("mobilenet_v2", "MobileNetV2"),
        ("mobilenet_v3", "MobileNetV3Small"),
        ("nasnet", "NASNetMobile"),
        ("resnet", "ResNet50"),
        ("resnet_v2", "ResNet50V2"),
        ("vgg16", "VGG16"),
        ("vgg19", "VGG19"),
        ("xception", "Xception"),
    ],
)
def test_pixels_are_prepared_as_keras_prepares_them(module, model):
    inputs = keras.Input((4, 5, 3))
    prepared = keras.Model(inputs, preprocessed(inputs, FAMILY_OF[model].mode))
    images = pixels((4, 5, 3)).astype("float32")
    expected = importlib.import_module(f"keras.applications.{module}").preprocess_input(images.copy())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(prepared(images)), expected, rtol=1e-5, atol=1e-4)


def test_the_trunk_is_the_model_of_keras_with_the_weights_of_the_file(network, weights):
    backbone = simplug.backbones.build(SMALL, weights=weights)
    trunk = backbone.trunk((32, 32, 3))
    images = pixels((32, 32, 3))
    np.testing.assert_allclose(features(trunk, images), features(network, images), atol=1e-6)
    # Grey images are seen as coloured ones without colour, and images of 0..1 are brought to 0..255.
    grey = simplug.backbones.build(SMALL, weights=weights, rescale=255).trunk((32, 32, 1))
    np.testing.assert_allclose(
        features(grey, images[..., :1] / np.float32(255)),
        features(network, np.repeat(images[..., :1], 3, axis=-1)),
        atol=1e-4,
    )


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_weights_come_from_saved_models_too(ending, network, tmp_path):
    path = tmp_path / f"small{ending}"
    network.save(path)
    trunk = simplug.backbones.build(SMALL, weights=str(path)).trunk((32, 32, 3))
    for ours, theirs in zip(trunk.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_that_do_not_fit_are_refused(weights, tmp_path):
    with pytest.raises(ArtifactError, match=r"backbone mobilenet: the weights in .* do not fit mobilenet.* without"):
        simplug.backbones.build("mobilenet", weights=weights).build((32, 32, 3))
    with pytest.raises(ArtifactError, match=r"backbone mobilenet: there is no file nowhere\.h5"):
        simplug.backbones.build("mobilenet", weights="nowhere.h5").build((32, 32, 3))
    (tmp_path / "weights.npz").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"weights.npz must end in .weights.h5 or .h5 or .keras"):
        simplug.backbones.build("mobilenet", weights=str(tmp_path / "weights.npz")).build((32, 32, 3))


def test_nothing_is_downloaded_unless_it_is_asked_for(monkeypatch):
    def refuse(*_):
        raise OSError("there is no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    backbone = simplug.backbones.build("keras_applications", model="MobileNetV3Small")
    assert backbone.trunk((32, 32, 3)).count_params() == 939_120
    with pytest.raises(ArtifactError, match="backbone mobilenetv3large: Keras's ImageNet weights could not be had"):
        simplug.backbones.build("mobilenetv3large", weights="imagenet").build((224, 224, 3))


def test_layers_inside_of_the_model_are_frozen_by_prefix(weights):
    backbone = simplug.backbones.build(SMALL, weights=weights, freeze=["conv", "expanded_conv_"], embedding_dim=8)
    model = backbone.build((32, 32, 3))
    names = {weight.path.split("/")[-2] for weight in model.trainable_weights}
    assert "dense" in names
    assert not {name for name in names if name.startswith(("conv", "expanded_conv_"))}
    whole = simplug.backbones.build(SMALL, freeze=["trunk"], embedding_dim=8).build((32, 32, 3))
    assert len(whole.trainable_weights) == 2
    with pytest.raises(InvalidInputError, match=r"no layer of 'trunk' begins with 'conv9'; its \d+ layers"):
        simplug.backbones.build(SMALL, freeze=["conv9"]).build((32, 32, 3))


def test_images_are_resized_in_the_model():
    model = simplug.backbones.build(SMALL, image_size=32, embedding_dim=4).build((8, 8, 1))
    assert features(model, pixels((8, 8, 1))).shape == (3, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "convnexttiny",
        "densenet121",
        "efficientnetb0",
        "efficientnetv2b0",
        "inceptionv3",
        "mobilenet",
        "nasnetmobile",
        "resnet50",
        "resnet50v2",
        "vgg16",
        "xception",
    ],
)
def test_a_model_of_each_family_embeds_its_smallest_images_and_is_loaded_again(name, tmp_path):
    side = FAMILY_OF[{model.lower(): model for model in FAMILY_OF}[name]].least
    model = simplug.backbones.build(name).build((side, side, 1))
    embeddings = model.predict(pixels((side, side, 1)), verbose=0)
    # Without training, the activations of some vanish on their way through normalisations that know no statistics yet.
    assert embeddings.shape == (3, 64)
    assert np.isfinite(embeddings).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(pixels((side, side, 1)), verbose=0), embeddings)
