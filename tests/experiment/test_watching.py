"""The watch for collapse over the training of a run."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from simplug.api import Split
from simplug.callbacks import CollapseWarning
from simplug.experiment.run import read_config, run
from simplug.experiment.watching import watched_rows, watching
from simplug.kernel import toml

CONFIG = """
[dataset]
name = "digits"
[backbone]
name = "mlp"
units = [16]
embedding_dim = 8
[loss]
name = "triplet"
[train]
epochs = 3
steps_per_epoch = 10
[evaluate]
metrics = ["linear_probe", "knn_probe"]
intervals = 20
"""


def config(tmp_path, *overrides):
    path = tmp_path / "run.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return read_config(toml.load(path, overrides))


@pytest.mark.parametrize(("classes", "each", "expected"), [(10, 60, 25), (3, 100, 85), (100, 5, 2), (1000, 4, 2)])
def test_as_many_examples_of_each_class_are_watched(classes, each, expected):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(classes), each))
    rows = watched_rows(labels, seed=3)
    sizes = np.unique(labels[rows], return_counts=True)[1]
    assert set(sizes.tolist()) == {expected}
    assert 100 < len(rows) <= 256
    np.testing.assert_array_equal(rows, watched_rows(labels, seed=3))
    assert not np.array_equal(rows, watched_rows(labels, seed=4))


def test_the_config_says_whether_a_training_is_watched(tmp_path):
    split = Split(np.zeros((20, 4), np.float32), np.arange(20) % 2)
    assert len(watching(config(tmp_path), split)) == 1
    assert not watching(config(tmp_path, "train.watch_collapse=false"), split)


@pytest.mark.slow
def test_a_run_has_the_numbers_in_its_history_and_probes_in_its_scores(tmp_path):
    outcome = run(config(tmp_path), tmp_path / "run")
    with (tmp_path / "run" / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [name for name in rows[0] if "_" in name] == [
        "learning_rate",
        "embedding_spread",
        "effective_rank",
        "active_triplets",
    ]
    assert outcome.metrics["collapse"] is None
    scores, intervals = outcome.metrics["groups"]["all"], outcome.metrics["intervals"]["all"]
    for probe in ("linear_probe", "knn_probe"):
        low, high = intervals[probe]
        assert 0.5 < low <= scores[probe] <= high
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "signs of collapse by epoch" in report
    assert 'class="warning"' not in report


@pytest.mark.slow
def test_a_run_that_collapses_says_so_in_warning_metrics_and_report(tmp_path):
    collapsing = config(
        tmp_path,
        'loss={name="tfa_triplet_hard"}',
        'backbone={name="small_cnn", embedding_dim=32}',
        "train.optimizer.learning_rate=0.1",
        "train.steps_per_epoch=30",
        "train.epochs=5",
    )
    with pytest.warns(CollapseWarning, match="the training has collapsed: since epoch"):
        outcome = run(collapsing, tmp_path / "run")
    told = outcome.metrics["collapse"]
    assert told["sign"] in {"spread", "margin"}
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert '<p class="warning">The training has collapsed: since epoch' in report
