"""What can be known of an input shape is refused before Keras is imported."""

from __future__ import annotations

import pytest
from simplug_backbones.mlp import Mlp
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
    ],
)
def test_settings_out_of_range_are_refused(cls, setting):
    with pytest.raises(ValueError, match=f"^{next(iter(setting))} must be"):
        cls(**setting)
