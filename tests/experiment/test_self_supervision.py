"""Configs that train with two views: what must go together, and what reaches the model."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import simplug
from simplug.api import Split
from simplug.experiment.config import RunConfig, SelfSupervisedSection
from simplug.experiment.run import read_config
from simplug.experiment.self_supervision import check_views, view_options
from simplug.kernel.config import Report, plain_fields, structure
from simplug.kernel.errors import ConfigError
from simplug.kernel.toml import Document

TWO_VIEWS = {"name": "image_basic", "view_count": 2}


def config(loss, **sections) -> RunConfig:
    values = {"dataset": "digits", "sampler": "single_shot", "augmenter": TWO_VIEWS, "loss": loss, **sections}
    return read_config(Document({name: value for name, value in values.items() if value is not None}))


def section(**values) -> SelfSupervisedSection:
    report = Report()
    made = structure(SelfSupervisedSection, values, report)
    report.finish()
    return made


@pytest.mark.parametrize(
    ("loss", "sections", "message"),
    [
        ("simclr", {"augmenter": None}, "augmenter: is missing: simclr compares two views of each example"),
        ("contrastive", {"self_supervised": {}}, "self_supervised: is for losses that compare two views, and contrast"),
        ("vicreg", {"self_supervised": {"momentum": 0.9}}, "self_supervised.momentum: .* and vicreg is not"),
        ("vicreg", {"self_supervised": {"predictor": {"width": 9}}}, "self_supervised.predictor: .* vicreg does not"),
        ("byol", {"self_supervised": {"momentum": 1}}, "self_supervised.momentum: must be < 1, not 1"),
        ("byol", {"self_supervised": {"projector": {"dims": 9}}}, r"projector.dims: .* did you mean 'dim'"),
    ],
)
def test_what_does_not_go_with_the_loss_is_told_before_anything_is_read(loss, sections, message):
    with pytest.raises(ConfigError, match=message):
        config(loss, **sections)


@pytest.mark.parametrize("count", [1, 3])
def test_an_augmenter_must_make_two_views(count):
    split = Split(np.zeros((4, 8, 8, 1), np.uint8), np.arange(4))
    check_views(config("simclr"), split)
    with pytest.raises(ConfigError, match=f"augmenter: makes {count} views? of each example, and simclr compares two"):
        check_views(config("simclr", augmenter={"name": "image_basic", "view_count": count}), split)


def test_a_section_changes_what_it_names_and_leaves_the_rest_to_the_loss():
    assert view_options(None) == view_options(section()) == {}
    assert view_options(section(projector="none")) == {"projector": "none"}
    said = section(projector={"width": 40, "batch_norm": False}, predictor={"layers": 1}, momentum=0.0)
    assert view_options(said) == {
        "projector": {"width": 40, "batch_norm": False},
        "predictor": {"layers": 1},
        "momentum": 0.0,
    }


def test_a_resolved_config_says_the_same_again():
    written = config("byol", self_supervised={"projector": {"width": 40}, "momentum": 0.9})
    assert read_config(Document(plain_fields(written))) == written
    without = config("byol")
    assert plain_fields(without)["self_supervised"] == "none"
    assert read_config(Document(plain_fields(without))) == without


RUN = """\
[dataset]
name = "digits"
[sampler]
name = "single_shot"
[augmenter]
name = "image_basic"
view_count = 2
[backbone]
name = "mlp"
embedding_dim = 16
[loss]
name = "byol"
[self_supervised]
projector = { width = 40, dim = 24 }
momentum = 0.9
[train]
epochs = 2
steps_per_epoch = 10
[evaluate]
intervals = 0
"""


@pytest.mark.slow
def test_a_run_trains_without_labels_and_scores_the_embeddings_of_the_backbone(tmp_path):
    (tmp_path / "small.toml").write_text(RUN)
    done = subprocess.run(
        [sys.executable, "-m", "simplug", "run", "small.toml", "--json", "--out", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["groups"]["all"]["precision@1"] > 0.8
    model = simplug.load(tmp_path / "run")
    assert model.gallery.dim == model.embedding_dim == 16
    network = model.head.network
    assert (network.projector.width, network.projector.dim, network.momentum) == (40, 24, 0.9)
