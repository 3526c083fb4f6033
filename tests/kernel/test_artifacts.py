"""Saved things: whole or refused, safe to read, and never half-written."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import attrs
import pytest

import simplug
from simplug.kernel.artifacts import (
    FORMAT,
    MANIFEST,
    load_component,
    provider_hint,
    providers_of,
    read_manifest,
    sha256,
    staged_folder,
    write_file,
    write_manifest,
)
from simplug.kernel.config import build
from simplug.kernel.errors import ArtifactError, ConfigError, InvalidInputError, UnknownComponentError


@pytest.fixture
def saved(reducers, tmp_path, rewrite_manifest):
    """A saved component, and a way to change what its file says."""
    file = tmp_path / "reducer.json"
    component = reducers.build("everything", count=7, other={"name": "halve", "factor": 0.25}, several=["halve"])
    simplug.save(component, file)

    return component, file, functools.partial(rewrite_manifest, file)


def test_a_component_comes_back_equal(saved):
    component, file, _ = saved
    assert load_component(file) == component


def test_the_file_holds_names_values_and_providers_but_no_path_to_code(saved):
    _, file, _ = saved
    data = json.loads(file.read_text())
    assert data["artifact"] == "component"
    assert data["format"] == FORMAT
    assert data["simplug"] == simplug.__version__
    assert data["providers"] == {"reducer:everything": "<runtime>", "reducer:halve": "<runtime>"}
    assert data["config"]["kind"] == "reducer"
    assert data["config"]["component"]["count"] == 7
    assert __name__ not in file.read_text()


def test_a_first_party_component_has_its_distribution_as_provider(tmp_path):
    loss = simplug.losses.build("contrastive")
    provider = f"simplug {simplug.__version__}"
    names = {"loss": "contrastive", "distance": loss.distance, "reducer": loss.reducer}
    keys = {
        f"{kind}:{one if isinstance(one, str) else simplug.registry_of(kind).name_of(type(one))}"
        for kind, one in names.items()
    }
    assert providers_of(loss) == dict.fromkeys(keys, provider)
    simplug.save(loss, tmp_path / "loss.json")
    assert load_component(tmp_path / "loss.json") == loss


def test_a_file_is_not_overwritten_unless_asked(saved, reducers):
    _, file, _ = saved
    before = file.read_bytes()
    with pytest.raises(ArtifactError) as raised:
        simplug.save(reducers.build("halve"), file)
    assert str(raised.value) == f"{file} exists; pass overwrite=True to replace it"
    assert file.read_bytes() == before
    simplug.save(reducers.build("halve"), file, overwrite=True)
    assert load_component(file) == reducers.build("halve")
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_what_is_no_component_cannot_be_saved(tmp_path):
    with pytest.raises(InvalidInputError, match="save takes a component, not 3"):
        simplug.save(3, tmp_path / "three.json")
    assert not (tmp_path / "three.json").exists()


def test_a_newer_format_is_refused_with_the_version_that_wrote_it(saved):
    _, _, change = saved
    file = change(format=FORMAT + 1, simplug="9.9", surprise=1)
    with pytest.raises(ArtifactError) as raised:
        load_component(file)
    assert str(raised.value) == (
        f"{file} has format {FORMAT + 1}, written by simplug 9.9; this is simplug {simplug.__version__}, which reads "
        f"up to format {FORMAT}: pip install -U simplug"
    )


@pytest.mark.parametrize(
    "values",
    [
        {"format": 0},
        {"format": True},
        {"format": "1"},
        {"format": None},
        {"config": []},
        {"files": None},
        {"files": {"a": 1}},
        {"providers": {"a": 1}},
        {"extra": 1},
        {"config": {"kind": "reducer"}},
        {"config": {"kind": "nosuch", "component": {}}},
        {"config": {"kind": 3, "component": {}}},
    ],
)
def test_a_damaged_file_is_refused(saved, values):
    _, _, change = saved
    with pytest.raises(ArtifactError, match=r"reducer\.json is damaged: "):
        load_component(change(**values))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path, content):
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"bad\.json is damaged: "):
        load_component(file)


def test_every_flipped_bit_of_a_saved_component_is_refused(saved):
    component, file, _ = saved
    whole = file.read_bytes()
    for place in range(0, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        try:
            # White space is not part of what is said.
            assert load_component(file) == component
            assert json.loads(damaged) == json.loads(whole)
        except ArtifactError:
            pass


def test_every_truncation_is_refused(saved):
    component, file, _ = saved
    whole = file.read_bytes()
    for length in range(0, len(whole) - 2, 7):
        file.write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            load_component(file)
    file.write_bytes(whole)
    assert load_component(file) == component


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"nowhere\.json is no saved component: there is no nowhere\.json"):
        load_component(tmp_path / "nowhere.json")
    with pytest.raises(ArtifactError, match="is damaged"):
        load_component(tmp_path)
    with pytest.raises(ArtifactError) as raised:
        read_manifest(tmp_path, "run")
    assert str(raised.value) == f"{tmp_path} is no saved run: there is no {MANIFEST}"


def test_another_kind_of_artifact_is_named(tmp_path):
    write_manifest(tmp_path, "index", {}, {})
    with pytest.raises(ArtifactError, match="is a saved index, not a saved run"):
        read_manifest(tmp_path, "run")


def test_settings_that_the_component_no_longer_has_are_a_config_error(saved):
    _, _, change = saved
    file = change(config={"kind": "reducer", "component": {"name": "halve", "half": 1}})
    with pytest.raises(ConfigError, match=r"reducer\.half: reducer 'halve' has no setting 'half'"):
        load_component(file)


def test_a_component_that_is_not_installed_names_who_wrote_it(saved):
    _, _, change = saved
    config = {"kind": "reducer", "component": {"name": "gone"}}
    file = change(config=config, providers={"reducer:gone": "acme-gone 1.2"})
    with pytest.raises(UnknownComponentError) as raised:
        load_component(file)
    assert str(raised.value).endswith("\nit was written with acme-gone 1.2: pip install acme-gone")
    file = change(config=config, providers={"reducer:gone": "<runtime>"})
    with pytest.raises(UnknownComponentError) as raised:
        load_component(file)
    assert str(raised.value).endswith("\nit was written with <runtime>")
    file = change(config=config, providers={})
    with pytest.raises(UnknownComponentError) as raised:
        load_component(file)
    assert "written with" not in str(raised.value)


def test_a_nested_component_that_is_not_installed_names_who_wrote_it(saved):
    _, _, change = saved
    config = {"kind": "reducer", "component": {"name": "everything", "inner": "gone"}}
    file = change(config=config, providers={"reducer:gone": "acme-gone 1.2"})
    with pytest.raises(ConfigError) as raised:
        load_component(file)
    (problem,) = raised.value.problems
    assert problem.path == "reducer.inner"
    assert problem.message.endswith("\nit was written with acme-gone 1.2: pip install acme-gone")


def test_the_hint_leaves_other_errors_alone(tmp_path):
    manifest = write_manifest(tmp_path, "run", {}, {"reducer:gone": "acme-gone 1.2"})
    with pytest.raises(ZeroDivisionError), provider_hint(manifest):
        raise ZeroDivisionError
    with pytest.raises(ConfigError, match=r"^1 problem"), provider_hint(manifest):
        build("reducer", 3)


@attrs.frozen
class Record:
    """A section with a component."""

    reducer: object


def test_providers_are_found_inside_sections_and_lists(reducers):
    many = reducers.build("everything", several=["plain", {"name": "needy", "amount": 1}])
    names = {"reducer:everything", "reducer:halve", "reducer:plain", "reducer:needy"}
    assert set(providers_of(many)) == names
    assert set(providers_of(Record(many), 3, None)) == names


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "artifact"
    (place / "deep").mkdir(parents=True)
    (place / "a.bin").write_bytes(b"aaa")
    (place / "deep" / "b.bin").write_bytes(b"bbb")
    (place / "log.txt").write_text("not part of it")
    write_manifest(place, "run", {"x": 1}, {}, leave_out=["log.txt"])
    return place


def test_a_manifest_holds_the_sha256_of_every_file(folder):
    manifest = read_manifest(folder, "run")
    assert manifest.files == {"a.bin": sha256(folder / "a.bin"), "deep/b.bin": sha256(folder / "deep" / "b.bin")}
    assert manifest.files["a.bin"] == "9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0"
    assert manifest.config == {"x": 1}
    (folder / "log.txt").write_text("changed")
    read_manifest(folder, "run")


def test_a_flipped_bit_a_missing_file_and_a_shorter_one_are_refused(folder):
    (folder / "deep" / "b.bin").write_bytes(b"bbc")
    with pytest.raises(ArtifactError, match=r"is damaged: deep/b\.bin is not as it was written \(sha256 differs\)"):
        read_manifest(folder, "run")
    (folder / "deep" / "b.bin").write_bytes(b"bb")
    with pytest.raises(ArtifactError, match="sha256 differs"):
        read_manifest(folder, "run")
    (folder / "deep" / "b.bin").unlink()
    with pytest.raises(ArtifactError, match=r"is damaged: deep/b\.bin is missing"):
        read_manifest(folder, "run")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "deep/../../outside", "", ".", "a\0b"])
def test_a_name_that_leads_outside_the_folder_is_refused(folder, name, rewrite_manifest):
    (folder.parent / "outside").write_text("secret")
    rewrite_manifest(folder / MANIFEST, files={name: sha256(folder.parent / "outside")})
    with pytest.raises(ArtifactError, match="is damaged"):
        read_manifest(folder, "run")


def test_a_number_that_json_cannot_hold_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_manifest(tmp_path, "run", {"x": float("nan")}, {})
    assert list(tmp_path.iterdir()) == []


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


def test_a_staged_folder_takes_its_name_when_the_block_ends(tmp_path):
    final = tmp_path / "new" / "run"
    with staged_folder(final) as staging:
        assert not final.exists()
        (staging / "x").write_text("new")
    assert contents(final) == {"x": "new"}
    assert [one.name for one in final.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_block_leaves_the_old_folder_and_no_temporary(tmp_path, error):
    final = tmp_path / "run"
    with staged_folder(final) as staging:
        (staging / "x").write_text("old")

    def fail() -> None:
        with staged_folder(final, overwrite=True) as staging:
            (staging / "x").write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert contents(final) == {"x": "old"}
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_an_existing_folder_is_replaced_only_when_asked(tmp_path):
    final = tmp_path / "run"
    final.mkdir()
    (final / "old").write_text("old")
    with pytest.raises(ArtifactError, match="run exists; pass overwrite=True to replace it"), staged_folder(final):
        raise AssertionError
    with staged_folder(final, overwrite=True) as staging:
        (staging / "new").write_text("new")
    assert contents(final) == {"new": "new"}
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_a_rename_that_fails_brings_the_old_folder_back(tmp_path, monkeypatch):
    final = tmp_path / "run"
    final.mkdir()
    (final / "x").write_text("old")
    rename = Path.rename

    def refuse_the_new_one(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with (
        pytest.raises(ArtifactError, match="run cannot be written: no space left"),
        staged_folder(final, overwrite=True) as staging,
    ):
        (staging / "x").write_text("new")
    assert contents(final) == {"x": "old"}
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_a_place_that_cannot_hold_a_folder_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"), staged_folder(tmp_path / "file" / "run"):
        raise AssertionError


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "x"
    write_file(file, b"old")

    def refuse(descriptor: int) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(ArtifactError, match="x cannot be written: no space left"):
            write_file(file, b"new")
    assert file.read_bytes() == b"old"
    write_file(file, b"new")
    assert file.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


def test_an_unwritable_place_is_an_error_with_its_path(tmp_path):
    with pytest.raises(ArtifactError, match=r"nowhere/x cannot be written: "):
        write_file(tmp_path / "nowhere" / "x", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtifactError, match="folder cannot be written"):
        write_file(tmp_path / "folder", b"")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]
