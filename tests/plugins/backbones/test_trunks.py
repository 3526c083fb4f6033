"""conv4 and resnet18 are the networks of their papers."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from simplug_backbones.conv4 import Conv4
from simplug_backbones.resnet18 import ResNet18

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def trained(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def test_conv4_has_the_parameters_and_the_features_of_the_few_shot_papers():
    model = Conv4().build((28, 28, 1))
    assert model.output_shape == (None, 64)
    assert (model.count_params(), trained(model)) == (112_448, 111_936)
    model = Conv4().build((84, 84, 3))
    assert model.output_shape == (None, 1600)
    assert trained(model) == 113_088


def test_the_blocks_of_conv4_are_convolution_normalisation_relu_and_halving():
    trunk = Conv4(filters=32).trunk((28, 28, 1))
    kinds = [type(layer).__name__ for layer in trunk.layers]
    block = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"]
    assert kinds == ["InputLayer", "Rescaling", *block * 4]
    assert trunk.output_shape == (None, 1, 1, 32)
    assert [layer.kernel_size for layer in trunk.layers if isinstance(layer, keras.layers.Conv2D)] == [(3, 3)] * 4


def test_conv4_has_a_dense_layer_on_demand():
    model = Conv4(embedding_dim=10, pooling="gem").build((20, 16, 3))
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize(
    ("stem", "size", "total", "learned", "features"),
    [
        ("imagenet", 224, 11_186_112, 11_176_512, 7),
        ("auto", 224, 11_186_112, 11_176_512, 7),
        ("small", 32, 11_178_432, 11_168_832, 4),
        ("auto", 32, 11_178_432, 11_168_832, 4),
    ],
)
def test_resnet18_has_the_parameters_and_the_strides_of_the_paper(stem, size, total, learned, features):
    trunk = ResNet18(stem=stem).trunk((size, size, 3))
    assert (trunk.count_params(), trained(trunk)) == (total, learned)
    assert trunk.output_shape == (None, features, features, 512)
    convolutions = [layer for layer in trunk.layers if isinstance(layer, keras.layers.Conv2D)]
    # 17 with the stem, and a projection for each of three changes of form.
    assert len(convolutions) == 20
    assert sum(layer.kernel_size == (1, 1) for layer in convolutions) == 3


def test_a_residual_block_that_learned_nothing_passes_its_input_on():
    trunk = ResNet18().trunk((8, 8, 1))
    for name in ("conv2_block1_2_bn", "conv2_block2_2_bn"):
        layer = trunk.get_layer(name)
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()[:3]] + [layer.get_weights()[3]])
    inside = keras.Model(trunk.inputs[0], [trunk.get_layer(n).output for n in ("conv1_relu", "conv2_block2_relu")])
    before, after = inside.predict(np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 1)), verbose=0)
    assert before.max() > 0
    np.testing.assert_array_equal(after, before)
