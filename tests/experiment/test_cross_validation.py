"""Cross-validation over classes, with real models on the digits."""

import json
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner

import simplug
from simplug.cli.main import cli
from simplug.experiment.config import RunConfig
from simplug.experiment.cross_validation import cross_validate, save
from simplug.experiment.folds import deal
from simplug.experiment.loading import load_run
from simplug.kernel.artifacts import read_manifest
from simplug.kernel.config import Report, structure
from simplug.kernel.errors import ArtifactError

CONFIG = """\
[dataset]
name = "digits"
[split]
train_classes = [2, 3, 1, 7, 9, 6]
[sampler]
classes_per_batch = 3
examples_per_class = 5
[backbone]
name = "mlp"
embedding_dim = 8
[train]
epochs = 1
steps_per_epoch = 5
[evaluate]
metrics = ["precision@1", "map@r", "roc_auc", "effective_rank"]
"""


@pytest.fixture(scope="module")
def config():
    report = Report()
    built = structure(RunConfig, tomllib.loads(CONFIG), report)
    report.finish()
    return built


@pytest.fixture(scope="module")
def dealt(config):
    return deal(config, 2)


@pytest.fixture(scope="module")
def result(config, dealt):
    return cross_validate(config, dealt)


LABELS = ["precision@1", "map@r", "roc_auc", "effective_rank"]


def test_every_fold_is_scored_on_its_own_classes(result, dealt):
    assert [list(fold.classes) for fold in result.folds] == [fold.tolist() for fold in dealt.folds]
    for fold in result.folds:
        assert list(fold.scores) == LABELS
        assert fold.examples == np.isin(dealt.examples.labels, fold.classes).sum()
        assert 1 / 3 < fold.scores["precision@1"] <= 1
        assert [row["epoch"] for row in fold.history] == [1]


def test_the_summary_is_the_mean_over_the_folds(result):
    assert list(result.summary) == LABELS
    for label, estimate in result.summary.items():
        assert estimate.mean == pytest.approx(np.mean([fold.scores[label] for fold in result.folds]))
        assert estimate.low <= estimate.mean <= estimate.high


def test_classes_in_no_fold_are_scored_on_the_test_split(result):
    assert result.test.classes == (0, 4, 5, 8)
    assert list(result.test.concatenated) == list(result.test.separate) == LABELS
    assert 0.25 < result.test.concatenated["precision@1"] <= 1


@pytest.mark.slow
def test_the_same_config_gives_the_same_scores_but_for_the_last_digits(config, dealt, result):
    again = cross_validate(config, dealt)
    for fold, other in zip(result.folds, again.folds, strict=True):
        assert other.scores == pytest.approx(fold.scores, abs=0.02)


def test_the_folder_holds_the_result_and_the_resolved_config(config, result, tmp_path):
    save(result, config, tmp_path / "cv")
    assert {file.name for file in (tmp_path / "cv").iterdir()} == {
        "config.resolved.toml",
        "cross_validation.json",
        "manifest.json",
    }
    saved = json.loads((tmp_path / "cv" / "cross_validation.json").read_text())
    assert saved["summary"]["map@r"]["mean"] == result.summary["map@r"].mean
    assert [tuple(fold["classes"]) for fold in saved["folds"]] == [fold.classes for fold in result.folds]
    assert read_manifest(tmp_path / "cv", "cross_validation").config == {"folds": 2}
    with pytest.raises(ArtifactError, match="pass --overwrite to replace it"):
        save(result, config, tmp_path / "cv")
    save(result, config, tmp_path / "cv", overwrite=True)
    with pytest.raises(ArtifactError, match="holds a saved cross_validation, of which there is nothing to load"):
        simplug.load(tmp_path / "cv")
    with pytest.raises(ArtifactError, match="holds a saved cross_validation, not a run"):
        load_run(tmp_path / "cv")


def test_a_folder_that_holds_something_else_is_never_replaced(config, result, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("text")
    with pytest.raises(ArtifactError, match="holds something that is no run"):
        save(result, config, tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "text"


def run(*arguments):
    return CliRunner().invoke(cli, ["cross-validate", *map(str, arguments)])


def test_the_command_prints_each_fold_the_mean_and_the_test_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(CONFIG)
    done = run("small.toml", "--folds", 2, "--set", "train.steps_per_epoch=2")
    assert done.exit_code == 0, done.output
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0].split() == ["fold", "1", "fold", "2", "mean", "(95", "%", "interval)"]
    assert lines[1].split() == ["classes", "3", "3"]
    assert lines[2].startswith("precision@1 ")
    assert "classes of the test split that are in no fold: 4" in lines
    assert lines[-1] == "result: runs/small-folds/cross_validation.json"
    taken = run("small.toml", "--folds", 2)
    assert taken.exit_code == 1
    assert "pass --overwrite" in taken.stderr
    few = run("small.toml", "--folds", 4, "--overwrite", "--json")
    assert few.exit_code == 1
    assert "error: 6 classes are too few for 4 folds" in few.stderr
