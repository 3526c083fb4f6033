"""What `simplug show loss NAME` says: the equation, the paper, the presets. Nothing here needs a backend."""

from __future__ import annotations

import inspect
import re

import pytest

import simplug
from simplug.api import ClassLoss

WRAPPERS = {"cross_batch_memory", "multiple", "self_supervised"}
"""Their equation and their paper are those of the loss inside."""

NAMES = simplug.losses.names()


@pytest.mark.parametrize("name", sorted(set(NAMES) - WRAPPERS))
def test_a_loss_is_described_by_its_equation_and_its_paper(name):
    text = inspect.cleandoc(simplug.losses.get(name).__doc__)
    assert ".. math::" in text
    assert re.search(r"\b(19|20)\d\d\b", text), "the paper has a year"


@pytest.mark.parametrize("name", [name for name in NAMES if simplug.losses.get(name).presets])
def test_every_preset_builds_and_is_not_the_default(name):
    cls = simplug.losses.get(name)
    required = {"num_classes": 7} if issubclass(cls, ClassLoss) else {}
    default = simplug.losses.build(name, **required)
    for preset in cls.presets:
        assert simplug.losses.build(name, preset=preset, **required) != default


def test_the_losses_of_the_reality_check_have_its_settings():
    tuned = {name for name in NAMES if {"cub", "cars", "sop"} <= set(simplug.losses.get(name).presets)}
    assert tuned >= {
        "contrastive", "triplet", "nt_xent", "proxy_nca", "margin", "normalized_softmax", "cosface", "arcface",
        "fast_ap",
        "multi_similarity", "soft_triple",
    }  # fmt: skip
    assert simplug.losses.build("triplet", preset="cars").margin == 0.119
    mined = simplug.losses.build("multi_similarity", preset="cub_mined")
    assert (mined.alpha, mined.beta, mined.base, mined.miner.epsilon) == (18, 75.7, 0.77, 0.39)
    assert simplug.losses.build("arcface", preset="sop", num_classes=3, scale=10.0).scale == 10
