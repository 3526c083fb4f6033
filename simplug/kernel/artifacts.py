"""Saved things: a manifest of names, plain config, providers, a format number and the sha256 of every file.

An artifact is a folder with a ``manifest.json``, or, for a single component, one JSON file. Nothing in it names code:
components are found by name among what is installed. Everything is checked before anything is built.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import attrs

from simplug.kernel.component import KIND_KEY, MANY_KEY, Component
from simplug.kernel.config import build, to_config
from simplug.kernel.disk import sync
from simplug.kernel.entries import own_version
from simplug.kernel.errors import ArtifactError, ConfigError, InvalidInputError, UnknownComponentError
from simplug.kernel.kinds import KINDS
from simplug.kernel.plugins import plugins
from simplug.kernel.registry import registry_of

FORMAT = 1
"""The format that this version writes; a reader refuses a higher one."""

MANIFEST = "manifest.json"

_CHECK = "sha256"


@attrs.frozen
class Manifest:
    """What an artifact says of itself.

    Attributes:
        artifact: What it is: ``component``, ``index``, ``model`` or ``run``.
        config: Plain values that its reader needs.
        providers: The distribution and version behind each component, as ``{"loss:triplet": "simplug 0.1.0"}``.
        files: The sha256 of each file, by its path inside the folder.
        simplug: The version that wrote it.
        format: The format it is written in.
    """

    artifact: str
    config: Mapping[str, Any]
    providers: Mapping[str, str]
    files: Mapping[str, str]
    simplug: str
    format: int = FORMAT


def save(component: Component, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Save a component's recipe as one JSON file, to be read by :func:`simplug.load`.

    Raises:
        InvalidInputError: It is no component.
        ArtifactError: The file exists and `overwrite` is false.
    """
    if not isinstance(component, Component):
        raise InvalidInputError(f"save takes a component, not {component!r}")
    path = Path(path)
    if path.exists() and not overwrite:
        raise ArtifactError(f"{path} exists; pass overwrite=True to replace it")
    config = {"kind": component.kind, "component": to_config(component)}
    manifest = Manifest("component", config, providers_of(component), {}, own_version())
    write_file(path, _encode(manifest))
    plugins.hook.simplug_artifact_saved(path=path, manifest=manifest)


def load_component(path: str | os.PathLike[str]) -> Any:
    """Build the component that :func:`save` wrote to `path`.

    Raises:
        ArtifactError: The file is missing, damaged or of a newer format.
        ComponentError: The component is not installed; the message says which distribution wrote the file.
        ConfigError: The installed component does not take the saved settings, or a nested one is not installed.
    """
    path = Path(path)
    manifest = _decode(path, "component")
    kind, table = manifest.config.get("kind"), manifest.config.get("component")
    if not isinstance(kind, str) or kind not in KINDS or not isinstance(table, dict):
        raise ArtifactError(f"{path} is damaged: it names no component")
    with provider_hint(manifest):
        component = build(kind, table)
    plugins.hook.simplug_artifact_loaded(path=path, manifest=manifest)
    return component


def write_manifest(
    folder: Path,
    artifact: str,
    config: Mapping[str, Any],
    providers: Mapping[str, str],
    *,
    leave_out: Iterable[str] = (),
) -> Manifest:
    """Hash the files of `folder` and write its manifest, which makes the folder a complete artifact.

    Args:
        folder: The folder, with all its files written.
        artifact: What it is.
        config: Plain values that its reader needs.
        providers: As :func:`providers_of` gives them.
        leave_out: Names in the folder that are not part of the artifact, or that check themselves.
    """
    omitted = {MANIFEST, *leave_out}
    files = {
        file.relative_to(folder).as_posix(): sha256(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.relative_to(folder).parts[0] not in omitted
    }
    manifest = Manifest(artifact, config, providers, files, own_version())
    write_file(folder / MANIFEST, _encode(manifest))
    plugins.hook.simplug_artifact_saved(path=folder, manifest=manifest)
    return manifest


def read_manifest(folder: Path, artifact: str) -> Manifest:
    """Read the manifest of a folder and check every file that it names.

    Raises:
        ArtifactError: There is none, it is damaged, another kind of artifact or of a newer format, or a file is
            missing or not as it was written.
    """
    manifest = _decode(folder / MANIFEST, artifact)
    for name, expected in manifest.files.items():
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            raise ArtifactError(f"{folder / MANIFEST} is damaged: it names a file outside the folder: {name}")
        file = folder / inside
        if not file.is_file():
            raise ArtifactError(f"{folder} is damaged: {name} is missing")
        if sha256(file) != expected:
            raise ArtifactError(f"{folder} is damaged: {name} is not as it was written (sha256 differs)")
    plugins.hook.simplug_artifact_loaded(path=folder, manifest=manifest)
    return manifest


def providers_of(*parts: Any) -> dict[str, str]:
    """Return the provider of every component among `parts`, nested ones and those inside attrs records included."""
    found: dict[str, str] = {}
    for part in parts:
        if isinstance(part, Component):
            registry = registry_of(part.kind)
            name = registry.name_of(type(part))
            found[f"{part.kind}:{name}"] = registry.entry(name).provider
        if attrs.has(type(part)):
            for field in attrs.fields(type(part)):
                value = getattr(part, field.name)
                nested = value if field.metadata.get(MANY_KEY) else (value,)
                if field.metadata.get(KIND_KEY) or attrs.has(type(value)):
                    found |= providers_of(*nested)
    return found


@contextlib.contextmanager
def provider_hint(manifest: Manifest) -> Iterator[None]:
    """Add to each unknown name, nested ones included, which distribution had it when the artifact was written."""
    try:
        yield
    except UnknownComponentError as error:
        error.args = (f"{error}{_hint(manifest, error)}",)
        raise
    except ConfigError as error:
        problems = (attrs.evolve(one, message=f"{one.message}{_hint(manifest, one.cause)}") for one in error.problems)
        raise ConfigError(list(problems)) from error.__cause__


def _hint(manifest: Manifest, error: Exception | None) -> str:
    if not isinstance(error, UnknownComponentError):
        return ""
    provider = manifest.providers.get(f"{error.kind.name}:{error.name}")
    if provider is None:
        return ""
    distribution, _, version = provider.partition(" ")
    return f"\nit was written with {provider}" + (f": pip install {distribution}" if version else "")


@contextlib.contextmanager
def staged_folder(final: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty folder beside `final` that takes its name when the block ends without an error.

    Raises:
        ArtifactError: `final` exists and `overwrite` is false, or the place cannot be written.
    """
    if final.exists() and not overwrite:
        raise ArtifactError(f"{final} exists; pass overwrite=True to replace it")
    token = uuid.uuid4().hex[:8]
    staging = final.with_name(f".{final.name}.{token}.tmp")
    try:
        staging.mkdir(parents=True)
    except OSError as cause:
        raise ArtifactError(f"{final} cannot be written: {cause}") from cause
    try:
        yield staging
        try:
            _publish(staging, final, token)
        except OSError as cause:
            raise ArtifactError(f"{final} cannot be written: {cause}") from cause
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, final: Path, token: str) -> None:
    """Give a folder its name; an old one steps aside first and goes last: at every moment one of the two is whole."""
    for file in staging.rglob("*"):
        sync(file)
    sync(staging)
    if not final.exists():
        staging.rename(final)
        sync(final.parent)
        return
    aside = final.with_name(f".{final.name}.{token}.old")
    final.rename(aside)
    try:
        staging.rename(final)
    except BaseException:
        aside.rename(final)
        raise
    sync(final.parent)
    shutil.rmtree(aside)


def write_file(path: Path, data: bytes) -> None:
    """Write a file beside its place, fsync it and rename it into place.

    Raises:
        ArtifactError: It cannot be written; what was at `path` is untouched.
    """
    with staged_file(path) as beside:
        beside.write_bytes(data)


@contextlib.contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Give the name of a file beside `path` that takes its place, on the disk, when the block ends without an error.

    Raises:
        ArtifactError: It cannot be written; what was at `path` is untouched.
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
        sync(path.parent)
    except OSError as cause:
        raise ArtifactError(f"{path} cannot be written: {cause}") from cause
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _encode(manifest: Manifest) -> bytes:
    data = attrs.asdict(manifest)
    return (_text({**data, _CHECK: _check(data)}) + "\n").encode()


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False)


def _check(data: Mapping[str, Any]) -> str:
    """Return the hash of a manifest's own values: a flipped digit of a setting would still be a setting."""
    return hashlib.sha256(_text(data).encode()).hexdigest()


def _decode(path: Path, artifact: str) -> Manifest:
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(
            f"{path.parent if path.name == MANIFEST else path} is no saved {artifact}: there is no {path.name}"
        ) from None
    except (OSError, ValueError, RecursionError) as cause:
        raise ArtifactError(f"{path} is damaged: {cause}") from cause
    if not isinstance(data, dict) or type(data.get("format")) is not int or data["format"] < 1:
        raise ArtifactError(f"{path} is damaged: it has no format number")
    if data["format"] > FORMAT:
        raise ArtifactError(
            f"{path} has format {data['format']}, written by simplug {data.get('simplug')}; this is simplug "
            f"{own_version()}, which reads up to format {FORMAT}: pip install -U simplug"
        )
    check = data.pop(_CHECK, None)
    names = {field.name for field in attrs.fields(Manifest)}
    if (
        set(data) != names
        or not all(isinstance(data[key], dict) for key in ("config", "providers", "files"))
        or not all(isinstance(text, str) for key in ("providers", "files") for text in data[key].values())
    ):
        raise ArtifactError(f"{path} is damaged: it is not a manifest of format {FORMAT}")
    if check != _check(data):
        raise ArtifactError(f"{path} is damaged: it is not as it was written (sha256 differs)")
    if data["artifact"] != artifact:
        raise ArtifactError(f"{path} is a saved {data['artifact']}, not a saved {artifact}")
    return Manifest(**data)
