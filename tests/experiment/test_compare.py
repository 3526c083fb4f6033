"""Runs side by side: scores, differences, curves, and folders that cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from simplug.api.pair_counts import PairCounts
from simplug.cli.compare import compare as command
from simplug.cli.main import cli
from simplug.experiment.compare import compare, small_roc
from simplug.experiment.report.comparison import write_comparison
from simplug.kernel.errors import ArtifactError, InvalidInputError

CONFIG = """\
[loss]
name = "{loss}"
[evaluate]
metrics = [{{ name = "recall_at_k", k = 1 }}, {{ name = "eer" }}]
[train]
epochs = 2
[made_with.versions]
simplug = "0.1.0"
[made_with.providers]
"loss:{loss}" = "simplug 0.1.0"
"""


def write_run(folder: Path, *, recall: float, eer: float = 0.2, loss: str = "triplet", roc: bool = True) -> Path:
    """Write what a comparison reads of a finished run."""
    folder.mkdir(parents=True)
    scores = {"queries": 40, "recall@1": recall, "eer": eer, "matching_accuracy": 0.5, "unknown": 0.1}
    metrics = {
        "groups": {"all": scores, "seen": {**scores, "queries": 30}},
        "intervals": {"all": {"recall@1": [recall - 0.1, recall + 0.1]}},
        "roc": {"far": [0.01, 1.0], "tar": [0.5, 1.0]} if roc else None,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "history.csv").write_text("epoch,loss,recall@1\n1,0.9,\n2,0.4,0.7\n")
    (folder / "config.resolved.toml").write_text(CONFIG.format(loss=loss))
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def runs(tmp_path) -> list[Path]:
    return [
        write_run(tmp_path / "first", recall=0.8, eer=0.2),
        write_run(tmp_path / "second", recall=0.9, eer=0.3, loss="circle", roc=False),
    ]


def test_the_better_value_of_a_row_is_known_by_its_metric(runs):
    rows = {(row.group, row.label): row for row in compare(runs).rows}
    assert rows["all", "recall@1"].values == (0.8, 0.9)
    assert rows["all", "recall@1"].best == (1,)
    assert rows["all", "eer"].best == (0,), "lower is better"
    assert rows["all", "matching_accuracy"].best == (), "equal"
    assert rows["all", "unknown"].best == (), "neither way is better"
    assert rows["seen", "queries"].values == (30, 30)


def test_only_what_differs_in_the_configs_is_told(runs):
    assert compare(runs).differences == {"loss.name": ("triplet", "circle")}


def test_the_names_are_those_of_the_folders_unless_two_are_alike(tmp_path, runs):
    assert [run.name for run in compare(runs).runs] == ["first", "second"]
    other = write_run(tmp_path / "elsewhere" / "first", recall=0.7)
    assert [run.name for run in compare([runs[0], other]).runs] == [str(runs[0]), str(other)]


def test_a_score_that_one_run_has_not_got_is_no_obstacle(tmp_path, runs):
    metrics = json.loads((runs[1] / "metrics.json").read_text())
    del metrics["groups"]["all"]["eer"], metrics["groups"]["seen"]
    (runs[1] / "metrics.json").write_text(json.dumps(metrics))
    rows = {(row.group, row.label): row for row in compare(runs).rows}
    assert rows["all", "eer"].values == (0.2, None)
    assert rows["seen", "recall@1"].values == (0.8, None)


def test_runs_without_a_common_score_are_refused(runs):
    for folder, label in zip(runs, ("recall@1", "recall@5"), strict=True):
        (folder / "metrics.json").write_text(json.dumps({"groups": {"all": {"queries": 4, label: 0.5}}}))
    with pytest.raises(
        InvalidInputError, match="no score in common: first has queries, recall@1; second has queries, rec"
    ):
        compare(runs)


def test_fewer_than_two_runs_and_a_run_named_twice_are_refused(runs):
    with pytest.raises(InvalidInputError, match="name at least two runs"):
        compare(runs[:1])
    with pytest.raises(InvalidInputError, match="first is named twice"):
        compare([runs[0], runs[1], runs[0].parent / "second" / ".." / "first"])


def test_a_folder_without_a_finished_run_is_refused(tmp_path, runs):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match=r"empty holds no run: there is no manifest\.json"):
        compare([runs[0], tmp_path / "empty"])
    with pytest.raises(ArtifactError, match="nowhere"):
        compare([runs[0], tmp_path / "nowhere"])
    (runs[1] / "INCOMPLETE").write_text('{"stage": "train"}')
    with pytest.raises(ArtifactError, match="its run stopped in the stage 'train'"):
        compare(runs)


def test_a_saved_model_is_no_run(tmp_path, runs):
    (runs[1] / "metrics.json").unlink()
    with pytest.raises(ArtifactError, match=r"second holds no run: there is no metrics\.json"):
        compare(runs)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"groups": {}}', '{"groups": {"all": 3}}'])
def test_damaged_scores_are_told(runs, text):
    (runs[1] / "metrics.json").write_text(text)
    with pytest.raises(ArtifactError, match="second is damaged"):
        compare(runs)


def test_a_curve_is_kept_in_few_points():
    rng = np.random.default_rng(4)
    thresholds = np.arange(5000.0)
    counts = PairCounts(thresholds, np.cumsum(rng.integers(0, 9, 5000)), np.cumsum(rng.integers(0, 99, 5000)))
    kept = small_roc(counts)
    assert len(kept["far"]) == len(kept["tar"]) <= 100
    assert kept["far"] == sorted(kept["far"])
    assert kept["far"][-1] == kept["tar"][-1] == 1.0
    assert len(json.dumps(kept)) < 3000
    assert small_roc(None) is None


def test_the_command_prints_scores_and_differences(runs):
    done = CliRunner().invoke(command, [str(folder) for folder in runs])
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert lines[0] == ["queries", "of", "score", "first", "second"]
    assert ["recall@1", "0.800", "*", "0.900"] in lines
    assert ["eer", "*", "0.200", "0.300"] in lines
    assert ["loss.name", "triplet", "circle"] in lines


def test_the_command_prints_json(runs):
    done = CliRunner().invoke(command, [*map(str, runs), "--json"])
    told = json.loads(done.output)
    assert [run["name"] for run in told["runs"]] == ["first", "second"]
    assert told["runs"][1]["groups"]["all"]["recall@1"] == 0.9
    assert told["runs"][1]["intervals"]["all"]["recall@1"] == pytest.approx([0.8, 1.0])
    assert told["differences"] == {"loss.name": ["triplet", "circle"]}


def test_the_page_has_the_scores_and_the_curves_and_is_not_overwritten(runs, tmp_path):
    page = tmp_path / "compared.html"
    arguments = [*map(str, runs), "--html", str(page)]
    done = CliRunner().invoke(command, arguments)
    assert done.output.endswith(f"page: {page}\n")
    text = page.read_text()
    assert "<h1>2 runs compared</h1>" in text
    assert "★ 0.900" in text
    assert text.count('class="drawing"') == 2
    again = CliRunner().invoke(command, arguments)
    assert isinstance(again.exception, InvalidInputError)
    assert "exists; pass --overwrite" in str(again.exception)
    assert CliRunner().invoke(command, [*arguments, "--overwrite"]).exit_code == 0


def test_names_and_settings_are_text_in_the_page(tmp_path):
    first = write_run(tmp_path / "<script>", recall=0.8, loss="<b>")
    second = write_run(tmp_path / "second", recall=0.9)
    text = write_comparison(compare([first, second]))
    assert "<script>" not in text.replace("<script>\n", "")
    assert "&lt;script&gt;" in text
    assert "&lt;b&gt;" in text


def test_compare_is_among_the_commands():
    assert "compare" in CliRunner().invoke(cli, ["--help"]).output
