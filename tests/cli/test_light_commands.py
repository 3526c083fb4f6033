"""`plugins`, `show`, `check`, `schema` and `init`."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import simplug
from simplug.cli.main import cli
from simplug.kernel.kinds import KINDS

RIDGE = """
import attrs
from simplug.api import Regularizer

@attrs.frozen
class Ridge(Regularizer):
    "Squares."

    def __call__(self, vectors):
        return vectors
"""


@pytest.fixture
def run():
    runner = CliRunner()

    def invoke(*arguments, status=0):
        shown = runner.invoke(cli, list(arguments), prog_name="simplug")
        assert shown.exit_code == status, shown.output
        return shown

    return invoke


def rows(shown):
    return {(row["kind"], row["name"], row["provider"]): row for row in json.loads(shown.stdout)}


def test_plugins_lists_every_entry_of_every_kind(run):
    listed = rows(run("plugins", "--json"))
    for kind in KINDS.values():
        assert {name for one, name, _ in listed if one == kind.name} == set(getattr(simplug, kind.plural).names())
    cosine = listed["distance", "cosine", f"simplug {simplug.__version__}"]
    assert cosine == {
        "kind": "distance",
        "name": "cosine",
        "provider": f"simplug {simplug.__version__}",
        "target": "simplug_distances.cosine:Cosine",
        "status": "ok",
        "seconds": None,
        "failure": "",
    }


def test_plugins_as_text_has_a_line_for_each_in_columns(run):
    lines = run("plugins", "--kind", "distances").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["distance", name] for name in simplug.distances.names()]
    assert len({line.index("simplug") for line in lines}) == 1


def test_plugins_shows_duplicates_blocked_and_broken_ones(run, site, monkeypatch):
    group = "simplug.regularizers"
    for distribution in ("acme-one", "acme-two", "acme-off"):
        module = distribution.replace("-", "_")
        site.install(distribution, {group: {"ridge": f"{module}:Ridge"}}, {module: RIDGE})
    site.install(
        "acme-bad", {group: {"bad": "acme_bad:Bad"}, "simplug.hooks": {"h": "acme_bad"}}, {"acme_bad": "1 / 0"}
    )
    monkeypatch.setenv("SIMPLUG_BLOCK", "acme-off")
    simplug.refresh()
    listed = rows(run("plugins", "--kind", "regularizer", "--json"))
    own = f"simplug {simplug.__version__}"
    status = {provider: row["status"] for (_, _, provider), row in listed.items() if provider != own}
    assert status == {
        "acme-one 1.0": "duplicate",
        "acme-two 1.0": "duplicate",
        "acme-off 1.0": "blocked",
        "acme-bad 1.0": "ok",
    }
    loaded = rows(run("plugins", "--load", "--json"))
    bad = loaded["regularizer", "bad", "acme-bad 1.0"]
    assert bad["status"] == "broken"
    assert "ZeroDivisionError: division by zero" in bad["failure"]
    assert bad["seconds"] >= 0
    assert loaded["regularizer", "ridge", "acme-one 1.0"]["status"] == "duplicate"
    assert loaded["hooks", "h", "acme-bad 1.0"]["status"] == "broken"
    text = run("plugins", "--load", "--kind", "regularizer").stdout
    assert "cause:  ZeroDivisionError: division by zero\n" in text
    monkeypatch.delenv("SIMPLUG_BLOCK")


def test_show_tells_everything_about_a_component(run):
    shown = run("show", "losses", "multi_similarity").stdout
    assert shown.startswith(f"loss multi_similarity  from simplug {simplug.__version__}\n")
    assert "simplug_losses/multi_similarity.py:" in shown
    assert ".. math::" in shown
    assert '  distance: a distance; default "cosine"\n      how far two embeddings are apart\n' in shown
    assert "  miner: a miner or 'none'; default \"none\"\n" in shown
    assert "  alpha: a number, > 0; default 2.0\n" in shown


def test_show_as_json_has_every_field(run):
    shown = json.loads(run("show", "metric", "recall_at_k", "--json").stdout)
    assert shown["kind"] == "metric"
    assert shown["provider"] == f"simplug {simplug.__version__}"
    assert shown["file"].endswith("simplug_metrics/rank.py")
    assert shown["line"] > 1
    assert [setting["name"] for setting in shown["settings"]] == ["k"]
    assert shown["settings"][0]["type"] == "a whole number"


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in KINDS for n in simplug.registry_of(k).names()])
def test_show_works_for_every_component_in_both_forms(run, kind, name):
    shown = run("show", kind, name).stdout
    assert f"{kind} {name}  from " in shown
    assert not re.search(r": (one of [^;\n]+), \1;", shown), "values are listed once"
    settings = json.loads(run("show", kind, name, "--json").stdout)["settings"]
    assert all(setting["doc"] for setting in settings)


def test_show_of_a_kind_lists_names_and_first_sentences(run):
    lines = run("show", "distance").stdout.splitlines()
    assert [line.split()[0] for line in lines] == simplug.distances.names()
    assert all(line.rstrip().endswith((".", ";")) or len(line.split()) > 2 for line in lines)
    assert set(json.loads(run("show", "distance", "--json").stdout)) == set(simplug.distances.names())


def test_show_of_an_unknown_name_or_kind_suggests(run):
    assert "did you mean 'cosine'?" in run("show", "distance", "cosin", status=1).stderr
    assert "did you mean 'distance'?" in run("show", "distanec", "cosine", status=2).stderr


GOOD = """
[dataset]
name = "digits"
[loss]
name = "triplet"
distance = "euclidean"
"""

BAD = """\
[dataset]
name = "digits"
[loss]
name = "tripplet"
[train]
epochs = 0
optimiser = "adam"
"""


@pytest.fixture
def config(tmp_path):
    def write(text: str) -> str:
        file = tmp_path / "run.toml"
        file.write_text(text)
        return str(file)

    return write


def test_check_says_ok_and_what_would_run(run, config):
    file = config(GOOD)
    shown = run("check", file, "--set", "train.epochs=7").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == f"{file}: ok"
    assert any(line.startswith("loss triplet (") and "distance=euclidean" in line for line in lines)
    assert "train.epochs 7" in lines
    assert any(line.startswith("dataset digits") for line in lines)


def test_check_reports_every_mistake_with_file_and_line(run, config):
    file = config(BAD)
    shown = run("check", file, "--set", "train.seed=x", status=1)
    assert shown.stdout == ""
    assert shown.stderr.startswith("error: 4 problems in the config:\n")
    assert f"  {file}:3: loss: no loss named 'tripplet' is installed; did you mean 'triplet'?\n" in shown.stderr
    assert (
        f"  {file}:7: train.optimiser: [train] has no setting 'optimiser'; did you mean 'optimizer'?\n" in shown.stderr
    )
    assert f"  {file}:6: train.epochs: must be >= 1, not 0\n" in shown.stderr
    assert "  --set train.seed=x: train.seed: must be a whole number, not 'x'\n" in shown.stderr


def test_check_of_an_empty_file_asks_for_a_data_set(run, config):
    assert "dataset: the config needs 'dataset', which has no default" in run("check", config(""), status=1).stderr


def test_check_without_any_plugin_names_every_part_that_is_missing(run, config, block):
    block("simplug")
    shown = run("check", config("[dataset]\nname = 'digits'\n"), status=1).stderr
    for path in ("dataset", "sampler", "backbone", "loss", "index.search", "index.store", "calibrate.metric"):
        assert f"{path}: " in shown
    assert shown.count("is blocked: SIMPLUG_BLOCK switches its distribution 'simplug' off") >= 7


def test_a_wrong_block_is_a_short_error(run, block):
    block("nosuch")
    for command in (["plugins"], ["show", "loss"], ["schema"]):
        assert run(*command, status=1).stderr.startswith("error: SIMPLUG_BLOCK names 'nosuch', and no installed")


def test_a_component_from_a_plugin_file_is_shown_and_used(run, config, tmp_path):
    file = tmp_path / "ridge.py"
    file.write_text(
        RIDGE.replace("@attrs.frozen", "@simplug.regularizers.register('ridge')\n@attrs.frozen").replace(
            "import attrs", "import attrs\nimport simplug"
        )
    )
    try:
        shown = run("--plugin", str(file), "show", "regularizer", "ridge").stdout
        assert shown.startswith(f"regularizer ridge  from <runtime>\n{file}:")
        assert shown.endswith("Squares.\n\nIt has no settings.\n")
        checked = run("--plugin", str(file), "check", config(GOOD), "--set", "loss.regularizer=ridge").stdout
        assert "regularizer=ridge" in checked
    finally:
        simplug.regularizers.unregister("ridge")


def test_schema_prints_a_schema_that_accepts_what_check_accepts(run):
    schema = json.loads(run("schema").stdout)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(tomllib.loads(GOOD))
    assert not validator.is_valid(tomllib.loads(BAD))


@pytest.mark.parametrize("dataset", simplug.datasets.names())
def test_init_writes_a_config_that_passes_check_and_holds_the_defaults(run, tmp_path, dataset):
    file = tmp_path / "first.toml"
    run("init", str(file), "--dataset", dataset)
    assert run("check", str(file)).stdout.startswith(f"{file}: ok\n")
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    assert written["dataset"]["name"] == dataset
    assert written["train"]["epochs"] == 5
    from simplug.experiment.config import RunConfig
    from simplug.kernel.config import Report, structure

    report = Report()
    config = structure(RunConfig, written, report)
    report.finish()
    given = structure(RunConfig, {"dataset": written["dataset"]}, report)
    assert config == given


def test_init_never_overwrites(run, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("precious")
    shown = run("init", str(file), status=1)
    assert shown.stderr == f"error: {file} exists; choose another name, or remove it first\n"
    assert file.read_text() == "precious"


def test_init_refuses_an_unknown_data_set_and_an_unwritable_place(run, tmp_path):
    assert "no dataset named 'digitz'" in run("init", str(tmp_path / "a.toml"), "--dataset", "digitz", status=1).stderr
    assert not (tmp_path / "a.toml").exists()
    assert "cannot be written" in run("init", str(tmp_path / "nowhere" / "a.toml"), status=1).stderr


def test_init_writes_simplug_toml_by_default(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("init")
    assert (tmp_path / "simplug.toml").is_file()
