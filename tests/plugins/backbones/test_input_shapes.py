"""What can be known of an input shape is refused before Keras is imported."""

from __future__ import annotations

import pytest
from simplug_backbones.conv4 import Conv4
from simplug_backbones.mlp import Mlp
from simplug_backbones.resnet18 import ResNet18
from simplug_backbones.small_cnn import SmallCnn

import simplug
from simplug.api import InvalidInputError
from simplug.kernel.config import build, to_config


@pytest.mark.parametrize("name", ["mlp", "small_cnn"])
def test_they_are_found_by_name_and_survive_a_config(name):
    backbone = simplug.backbones.build(name, embedding_dim=16)
    assert build("backbone", to_config(backbone)) == backbone


def test_the_hidden_layers_of_a_config_are_a_tuple():
    assert simplug.backbones.build("mlp", units=[32, 16]) == Mlp(units=(32, 16))
    assert simplug.backbones.build("mlp", units=[]).units == ()


@pytest.mark.parametrize(
    ("padding", "shape", "message"),
    [
        ("auto", (28, 28), r"inputs are images \(height, width, channels\), not of shape \(28, 28\)"),
        ("auto", (4, 28, 28, 1), r"not of shape \(4, 28, 28, 1\)"),
        ("auto", (1, 28, 1), "with padding = 'same', images must have at least 2 x 2 pixels and a channel"),
        ("auto", (28, 28, 0), r"and a channel, not the shape \(28, 28, 0\)"),
        ("same", (28, 1, 1), "images must have at least 2 x 2 pixels"),
        ("valid", (13, 28, 1), r"at least 14 x 14 pixels .* \(13, 28, 1\); padding = 'same' takes images from 2 x 2"),
    ],
)
def test_images_that_are_too_small_or_of_the_wrong_rank_are_refused(padding, shape, message):
    with pytest.raises(InvalidInputError, match=message):
        SmallCnn(padding=padding).build(shape)


@pytest.mark.parametrize(
    ("backbone", "shape", "message"),
    [
        (Conv4(), (28, 28), r"backbone conv4: inputs are images \(height, width, channels\), not of shape \(28, 28\)"),
        (Conv4(), (15, 28, 1), r"at least 16 x 16 pixels .* \(15, 28, 1\); small_cnn takes smaller ones"),
        (ResNet18(), (7, 8, 1), "backbone resnet18 with stem = 'small': images must have at least 8 x 8 pixels"),
        (ResNet18(stem="imagenet"), (31, 40, 3), "stem = 'imagenet': images must have at least 32 x 32 pixels"),
        (ResNet18(), (), r"not of shape \(\)"),
    ],
)
def test_trunks_refuse_what_their_strides_would_leave_nothing_of(backbone, shape, message):
    with pytest.raises(InvalidInputError, match=message):
        backbone.build(shape)


@pytest.mark.parametrize(
    ("name", "options", "shape", "message"),
    [
        (
            "resnet50",
            {},
            (28, 28, 1),
            "backbone resnet50: .* at least 32 x 32 .*; image_size resizes them in the model",
        ),
        ("xception", {"image_size": 70}, (300, 300, 3), r"at least 71 x 71 .* \(70, 70, 3\) after image_size"),
        ("inceptionv3", {}, (74, 80, 3), "at least 75 x 75 pixels"),
        ("vgg16", {}, (32, 32, 4), "images have 1 channel or 3, not the shape"),
        ("vgg16", {"image_size": 64}, (0, 32, 3), "at least 1 x 1 pixels"),
    ],
)
def test_models_of_keras_refuse_their_images_before_keras_is_imported(name, options, shape, message):
    with pytest.raises(InvalidInputError, match=message):
        simplug.backbones.build(name, **options).build(shape)


def test_models_of_keras_are_listed_on_demand_without_importing_keras(python):
    done = python(
        "import sys, simplug\n"
        "listed = [entry for entry in simplug.backbones.entries(load=True) if entry.name == 'efficientnetv2b0']\n"
        "print(simplug.backbones.names(), [entry.distribution for entry in listed])\n"
        "print(sorted({'keras', 'tensorflow', 'PIL'} & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    names = ["conv4", "conv_blocks", "keras_applications", "mlp", "resnet18", "saved", "small_cnn"]
    assert done.stdout == f"{names} ['simplug']\n[]\n", done.stderr


def test_a_model_of_keras_by_its_own_name_survives_a_config():
    backbone = simplug.backbones.build("convnexttiny", freeze=["trunk"], image_size=64)
    config = to_config(backbone)
    assert config["name"] == "convnexttiny"
    assert build("backbone", config) == backbone


@pytest.mark.parametrize("shape", [(), (0,), (8, 0, 1)])
def test_an_empty_example_is_refused_by_the_mlp(shape):
    with pytest.raises(InvalidInputError, match="an example must hold at least one number; its shape is"):
        Mlp().build(shape)


@pytest.mark.parametrize(
    ("cls", "setting"),
    [
        (Mlp, {"units": (8, 0)}),
        (Mlp, {"embedding_dim": 0}),
        (Mlp, {"activation": "rleu"}),
        (Mlp, {"rescale": 0}),
        (SmallCnn, {"dropout": 1.0}),
        (SmallCnn, {"padding": "none"}),
        (Conv4, {"filters": 0}),
        (Conv4, {"pooling": "mean"}),
        (ResNet18, {"stem": "large"}),
        (ResNet18, {"gem_p": 0.0}),
    ],
)
def test_settings_out_of_range_are_refused(cls, setting):
    with pytest.raises(ValueError, match=f"^{next(iter(setting))} must be"):
        cls(**setting)
