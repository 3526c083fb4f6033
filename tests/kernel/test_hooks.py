"""Every hook is called here as simplug calls it, is documented, and has a test with its name."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import simplug
from simplug.api import hookimpl
from simplug.kernel import hooks, toml
from simplug.kernel.artifacts import load_component, read_manifest, write_manifest
from simplug.kernel.kinds import KINDS
from simplug.kernel.plugins import plugins

ROOT = Path(__file__).parents[2]
SPECS = {
    name: function
    for owner in (hooks.RegisteringHooks, hooks.EventHooks)
    for name, function in vars(owner).items()
    if name.startswith("simplug_")
}


def signature(name: str) -> str:
    """The signature of a hook as a plugin writes it: without ``self``."""
    whole = inspect.signature(SPECS[name])
    plain = whole.replace(parameters=[one for key, one in whole.parameters.items() if key != "self"])
    return f"{name}{plain}".replace("'", "")


def test_there_is_one_registering_hook_for_each_kind():
    registering = {name for name in vars(hooks.RegisteringHooks) if name.startswith("simplug_")}
    assert registering == {kind.hook for kind in KINDS.values()}


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_is_documented_with_its_exact_signature(name):
    text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    assert f"`{signature(name)}`" in headings


def test_no_hook_is_documented_that_does_not_exist():
    text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^#+ `(simplug_\w+)\(", text, flags=re.MULTILINE))
    assert documented == set(SPECS)


@pytest.fixture(scope="module")
def names_of_tests():
    return {
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_has_a_test_named_after_it(name, names_of_tests):
    wanted = f"test_hook_{name.removeprefix('simplug_')}"
    assert any(one == wanted or one.startswith(f"{wanted}_") for one in names_of_tests), f"no test is named {wanted}"


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_has_a_sentence(name):
    assert (SPECS[name].__doc__ or "").strip().endswith(".")


def _component(kind: str) -> type:
    """A component class of any kind, with its abstract methods filled in."""
    import attrs

    contract = getattr(simplug.api, KINDS[kind].contract)
    body = dict.fromkeys(contract.__abstractmethods__, lambda self, *args, **kwargs: None)
    return attrs.frozen(type(f"Made{contract.__name__}", (contract,), {**body, "__module__": __name__}))


def _registers(kind: str, plugin: Any) -> None:
    """Check that names given by the registering hook of `kind` are found, built and named like any other."""
    registry, cls = simplug.registry_of(kind), _component(kind)

    def implementation(self: object, register: Any) -> None:
        register("made_by_a_hook", cls)

    owner = type("Maker", (), {KINDS[kind].hook: hookimpl(implementation)})
    plugin(owner(), "maker")
    assert "made_by_a_hook" not in registry.names()
    assert registry.build("made_by_a_hook") == cls()
    assert registry.config_of(cls()) == {"name": "made_by_a_hook"}
    assert "made_by_a_hook" in [entry.name for entry in registry.entries(load=True)]


def test_hook_register_losses(plugin):
    _registers("loss", plugin)


def test_hook_register_distances(plugin):
    _registers("distance", plugin)


def test_hook_register_miners(plugin):
    _registers("miner", plugin)


def test_hook_register_reducers(plugin):
    _registers("reducer", plugin)


def test_hook_register_regularizers(plugin):
    _registers("regularizer", plugin)


def test_hook_register_samplers(plugin):
    _registers("sampler", plugin)


def test_hook_register_augmenters(plugin):
    _registers("augmenter", plugin)


def test_hook_register_datasets(plugin):
    _registers("dataset", plugin)


def test_hook_register_backbones(plugin):
    _registers("backbone", plugin)


def test_hook_register_searches(plugin):
    _registers("search", plugin)


def test_hook_register_stores(plugin):
    _registers("store", plugin)


def test_hook_register_matchers(plugin):
    _registers("matcher", plugin)


def test_hook_register_metrics(plugin):
    _registers("metric", plugin)


class Recorder:
    """Hears every event and keeps its arguments."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[Any, ...]]] = []

    @hookimpl
    def simplug_config_loaded(self, config, source):
        self.heard.append(("config_loaded", (dict(config), source)))
        config["added"] = {"by": "a plugin"}

    @hookimpl
    def simplug_component_built(self, kind, name, component):
        self.heard.append(("component_built", (kind, name, component)))

    @hookimpl
    def simplug_fit_callbacks(self, config):
        return [("callback", config["epochs"])]

    @hookimpl
    def simplug_index_built(self, index):
        self.heard.append(("index_built", (index,)))

    @hookimpl
    def simplug_lookup_done(self, index, queries, neighbors):
        self.heard.append(("lookup_done", (index, queries, neighbors)))

    @hookimpl
    def simplug_evaluated(self, scores):
        self.heard.append(("evaluated", (scores,)))

    @hookimpl
    def simplug_artifact_saved(self, path, manifest):
        self.heard.append(("artifact_saved", (path, manifest.artifact)))

    @hookimpl
    def simplug_artifact_loaded(self, path, manifest):
        self.heard.append(("artifact_loaded", (path, manifest.artifact)))

    @hookimpl
    def simplug_cli_commands(self, cli):
        cli.add_command(click.Command("recorded", help="A command of a plugin."))

    @hookimpl
    def simplug_report_sections(self, run):
        return [("A section", f"<p>{run['name']}</p>")]

    @hookimpl
    def simplug_report_header(self):
        return ["recorder 1.0"]


@pytest.fixture
def recorder(plugin):
    return plugin(Recorder())


def test_hook_config_loaded(recorder, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("seed = 1\n")
    document = toml.load(file, ["seed=2"])
    assert recorder.heard == [("config_loaded", ({"seed": 2}, file))]
    assert document.values["added"] == {"by": "a plugin"}


def test_hook_component_built_hears_nested_ones_first_defaults_included(recorder, reducers):
    built = reducers.build({"name": "everything", "other": {"name": "halve", "factor": 1}})
    assert recorder.heard == [
        ("component_built", ("reducer", "halve", built.inner)),
        ("component_built", ("reducer", "halve", built.other)),
        ("component_built", ("reducer", "everything", built)),
    ]


def test_hook_component_built_hears_nothing_of_a_config_with_a_mistake(recorder, reducers):
    with pytest.raises(simplug.kernel.errors.ConfigError):
        reducers.build({"name": "everything", "other": "halve", "count": -1})
    assert recorder.heard == []


def test_hook_fit_callbacks(recorder):
    assert plugins.hook.simplug_fit_callbacks(config={"epochs": 3}) == [[("callback", 3)]]


def test_hook_index_built(recorder):
    index = object()
    plugins.hook.simplug_index_built(index=index)
    assert recorder.heard == [("index_built", (index,))]


def test_hook_lookup_done(recorder):
    queries, found = np.zeros((2, 3)), object()
    plugins.hook.simplug_lookup_done(index="i", queries=queries, neighbors=found)
    assert recorder.heard == [("lookup_done", ("i", queries, found))]


def test_hook_evaluated(recorder):
    plugins.hook.simplug_evaluated(scores={"recall@1": 0.9})
    assert recorder.heard == [("evaluated", ({"recall@1": 0.9},))]


def test_hook_artifact_saved(recorder, reducers, tmp_path):
    simplug.save(reducers.build("halve"), tmp_path / "halve.json")
    write_manifest(tmp_path, "run", {}, {})
    saved = [heard for heard in recorder.heard if heard[0] == "artifact_saved"]
    assert saved == [
        ("artifact_saved", (tmp_path / "halve.json", "component")),
        ("artifact_saved", (tmp_path, "run")),
    ]


def test_hook_artifact_loaded(recorder, reducers, tmp_path):
    simplug.save(reducers.build("halve"), tmp_path / "halve.json")
    write_manifest(tmp_path, "run", {}, {})
    load_component(tmp_path / "halve.json")
    read_manifest(tmp_path, "run")
    loaded = [heard for heard in recorder.heard if heard[0] == "artifact_loaded"]
    assert loaded == [
        ("artifact_loaded", (tmp_path / "halve.json", "component")),
        ("artifact_loaded", (tmp_path, "run")),
    ]


def test_hook_cli_commands(recorder):
    group = click.Group()
    plugins.hook.simplug_cli_commands(cli=group)
    assert "recorded" in group.commands


def test_hook_report_sections(recorder):
    assert plugins.hook.simplug_report_sections(run={"name": "a run"}) == [[("A section", "<p>a run</p>")]]


def test_hook_report_header(recorder):
    assert plugins.hook.simplug_report_header() == [["recorder 1.0"]]
