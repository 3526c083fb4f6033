"""`simplug new-plugin`: packages that install and conform, and names that are refused."""

from __future__ import annotations

import tomllib

import pytest
from click.testing import CliRunner

from simplug.cli.main import cli
from simplug.cli.new_plugin import Names, write_plugin
from simplug.kernel.errors import ArtifactError, SimplugError
from simplug.kernel.kinds import KINDS


def test_a_written_package_installs_and_conforms_at_once(environment, tmp_path):
    folder = write_plugin("simplug-hi-there", "matcher", tmp_path)
    environment.install(folder)
    done = environment.run("python", "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", cwd=folder)
    assert done.returncode == 0, done.stdout
    listed = environment.run("simplug", "plugins", "--kind", "matcher", cwd=tmp_path)
    assert "hi_there" in listed.stdout


@pytest.mark.slow
def test_a_package_of_every_kind_installs_and_conforms_at_once(environment, tmp_path):
    packages = tmp_path / "packages"
    folders = [write_plugin(f"simplug-my-{kind}", kind, packages) for kind in KINDS]
    environment.install(*folders)
    command = ["python", "-m", "pytest", "-q", "-W", "error", "--import-mode=importlib", "-p", "no:cacheprovider", "."]
    done = environment.run(*command, cwd=packages)
    assert done.returncode == 0, done.stdout[-10_000:]
    assert f"{_checks_of_all_kinds()} passed" in done.stdout
    for folder in folders:
        config = _config_of_readme(folder)
        if "[dataset]" not in config:
            config = f'[dataset]\nname = "digits"\n{config}'
        (folder / "run.toml").write_text(config, encoding="utf-8")
        checked = environment.run("simplug", "check", "run.toml", cwd=folder)
        assert checked.returncode == 0, checked.stderr
        assert folder.name.removeprefix("simplug-").replace("-", "_") in checked.stdout


def _config_of_readme(folder):
    return (folder / "README.md").read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]


def _checks_of_all_kinds():
    import simplug.testing

    return sum(getattr(simplug.testing, f"{kind.contract}Suite").number_of_checks for kind in KINDS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_package_declares_its_component(kind, tmp_path):
    folder = write_plugin("simplug-some.thing", kind, tmp_path / "made" / "on the way")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    target = project["entry-points"][KINDS[kind].group]["some_thing"]
    assert target == "simplug_some_thing.some_thing:SomeThing"
    assert "simplug>=0.1,<1" in project["dependencies"]
    module, _, attribute = target.partition(":")
    source = (folder / "src" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    assert f"class {attribute}(" in source
    for file in folder.rglob("*.*"):
        assert file.is_dir() or "$" not in file.read_text(encoding="utf-8"), file
    assert '"some_thing"' in _config_of_readme(folder)
    tomllib.loads(_config_of_readme(folder))


def test_names_are_derived_from_that_of_the_distribution():
    assert Names.of("simplug-hello") == Names("simplug-hello", "simplug_hello", "hello", "Hello")
    assert Names.of("acme.metric-pack") == Names(
        "acme.metric-pack", "acme_metric_pack", "acme_metric_pack", "AcmeMetricPack"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is no name for a package"),
        ("../evil", "is no name for a package"),
        ("a b", "is no name for a package"),
        ("simplug-", "is no name for a package"),
        ("simplug--x", "is no name for a package"),
        ("-x", "is no name for a package"),
        ("überlegen", "is no name for a package"),
        ("simplug-lambda", "gives the name 'lambda', which is a word of Python itself"),
        ("simplug-none", "gives the name 'none', which is a word of Python itself"),
        ("simplug-3d", "gives the name '3d', which does not begin with a letter"),
        ("json", "there is a module 'json' already; choose another name, such as simplug-json"),
        ("simplug", "there is a module 'simplug' already"),
        ("simplug-triplet", "loss 'triplet' is taken by simplug "),
    ],
)
def test_a_name_that_cannot_work_is_refused(name, message, tmp_path):
    with pytest.raises(SimplugError, match=message):
        write_plugin(name, "loss", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path):
    (tmp_path / "simplug-hello").mkdir()
    (tmp_path / "simplug-hello" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ArtifactError, match="simplug-hello exists; choose another name, or another folder with --out"):
        write_plugin("simplug-hello", "loss", tmp_path)
    assert [file.name for file in tmp_path.rglob("*")] == ["simplug-hello", "mine.txt"]


def test_an_unwritable_place_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_plugin("simplug-hello", "loss", tmp_path / "file")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_command_says_what_comes_next(tmp_path):
    done = CliRunner().invoke(cli, ["new-plugin", "simplug-hello", "--kind", "metrics", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    folder = tmp_path / "simplug-hello"
    assert done.output.splitlines() == [
        f"wrote {folder}: the metric 'hello', to be replaced by yours",
        "",
        f"  pip install -e {folder}",
        f"  pytest {folder}",
        "  simplug show metric hello",
    ]


def test_the_command_refuses_a_kind_that_is_none(tmp_path):
    done = CliRunner().invoke(cli, ["new-plugin", "simplug-hello", "--kind", "lost", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "no kind named 'lost'; did you mean 'loss'?" in done.output
