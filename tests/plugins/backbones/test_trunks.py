"""conv4 and resnet18 are the networks of their papers, and conv_blocks that of its settings."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from simplug_backbones.conv4 import Conv4
from simplug_backbones.conv_blocks import ConvBlocks
from simplug_backbones.resnet18 import ResNet18

from simplug.api import InvalidInputError

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
    block = ["Conv2D", "ImageBatchNormalization", "ReLU", "MaxPooling2D"]
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


@pytest.mark.parametrize(
    ("halve_by", "block", "strides"),
    [
        ("max_pool", ["Conv2D", "MaxPooling2D", "ImageBatchNormalization", "ReLU"], [1, 1, 1]),
        ("stride", ["Conv2D", "ImageBatchNormalization", "ReLU"], [2, 2, 1]),
    ],
)
def test_the_first_blocks_halve_and_the_others_keep_the_size(halve_by, block, strides):
    trunk = ConvBlocks(filters=(4, 6, 8), halvings=2, halve_by=halve_by, first_kernel=5).trunk((20, 12, 1))
    kinds = [type(layer).__name__ for layer in trunk.layers]
    last = [kind for kind in block if kind != "MaxPooling2D"]
    assert kinds == ["InputLayer", "Rescaling", *block * 2, *last]
    assert trunk.output_shape == (None, 5, 3, 8)
    convolutions = [layer for layer in trunk.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.strides[0] for layer in convolutions] == strides
    assert [layer.kernel_size[0] for layer in convolutions] == [5, 3, 3]


def test_a_flattened_map_tells_where_things_are():
    model = ConvBlocks(filters=(4, 4), halvings=1, embedding_dim=None).build((8, 8, 1))
    assert model.output_shape == (None, 4 * 4 * 4)
    images = np.zeros((2, 8, 8, 1), dtype=np.uint8)
    images[0, 2, 2] = images[1, 6, 6] = 255
    first, second = model.predict(images, verbose=0)
    assert np.abs(first - second).max() > 0.1


def test_dropout_ends_the_trunk_and_sleeps_in_use():
    trunk = ConvBlocks(filters=(4,), halvings=1, dropout=0.5).trunk((6, 6, 1))
    assert type(trunk.layers[-1]).__name__ == "Dropout"
    images = np.random.default_rng(0).uniform(0, 255, (1, 6, 6, 1))
    np.testing.assert_array_equal(trunk(images), trunk(images))


def test_blocks_that_cannot_be_are_refused():
    with pytest.raises(InvalidInputError, match="halvings is 3, and there are 2 blocks to halve in"):
        ConvBlocks(filters=(4, 4), halvings=3)
    with pytest.raises(InvalidInputError, match="filters must have a number for at least one block"):
        ConvBlocks(filters=(), halvings=0)
    with pytest.raises(InvalidInputError, match="at least 8 x 8 pixels"):
        ConvBlocks().trunk((7, 9, 1))
