from __future__ import annotations

import warnings

import numpy as np
import pytest

import simplug
from simplug.api import Split
from simplug.experiment.input_scale import InputScaleWarning, warn_of_scale


def split_up_to(peak, dtype=np.float32):
    values = np.random.default_rng(0).uniform(0, peak, (200, 6, 6, 1))
    values[:, 0, 0] = peak
    return Split(values.astype(dtype), np.arange(200) % 10)


@pytest.mark.parametrize(
    ("backbone", "peak", "told"),
    [
        ("small_cnn", 1, "inputs reach 1, by 64 examples, and the backbone is made for values up to 255"),
        ({"name": "conv4", "rescale": 1.0}, 255, "inputs reach 255, .* up to 1; set backbone.rescale"),
        ("resnet18", 65535, r"inputs reach 6\.55e\+04, .* up to 255"),
        ("resnet50", 1, "up to 255"),
        ("mlp", 3, "inputs reach 3"),
    ],
)
def test_inputs_of_another_scale_are_told(backbone, peak, told):
    with pytest.warns(InputScaleWarning, match=told):
        warn_of_scale(simplug.backbones.build(backbone), split_up_to(peak))


@pytest.mark.parametrize(
    ("backbone", "peak"),
    [
        ("small_cnn", 255),
        ("small_cnn", 16),
        ("small_cnn", 0),
        ({"name": "small_cnn", "rescale": 1.0}, 1),
        ({"name": "resnet50", "rescale": 255.0}, 1),
        ({"name": "saved", "path": "model.keras"}, 1),
    ],
)
def test_inputs_of_the_right_scale_or_of_none_are_not(backbone, peak):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_scale(simplug.backbones.build(backbone), split_up_to(peak))
