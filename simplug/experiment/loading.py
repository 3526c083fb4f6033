"""``simplug.load``: whatever was saved, by its path."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from simplug.kernel.artifacts import MANIFEST, load_component, provider_hint, read_manifest
from simplug.kernel.errors import ArtifactError

if TYPE_CHECKING:
    from simplug.experiment.config import RunConfig
    from simplug.learn.model import SimilarityModel


@attrs.frozen(eq=False)
class LoadedRun:
    """A complete run, read from its folder.

    Attributes:
        config: Its resolved config.
        model: Its model, with its index attached.
        class_names: The name of each label.
    """

    config: RunConfig
    model: SimilarityModel
    class_names: dict[int, str]

    def name_of(self, label: int) -> str:
        """Return the name of a label; a label without a name is its own, and -1 is unknown."""
        return "unknown" if label < 0 else self.class_names.get(label, str(label))


def load_run(path: str | os.PathLike[str]) -> LoadedRun:
    """Read the folder of a run.

    Raises:
        ArtifactError: There is no run, or it is unfinished or damaged.
        ConfigError: A component of its config is not installed, or has changed its settings.
    """
    from simplug.experiment import folder as names
    from simplug.experiment.run import read_config
    from simplug.kernel.toml import load as load_toml

    path = Path(path)
    artifact = _artifact_of(path)
    if artifact != "run":
        raise ArtifactError(f"{path} holds a saved {artifact}, not a run")
    model = _load_model(path, artifact, readonly=True)
    config = read_config(load_toml(path / names.CONFIG))
    classes = json.loads((path / names.METRICS).read_bytes())["classes"]
    return LoadedRun(config, model, {int(label): str(name) for label, name in classes.items()})


def load(path: str | os.PathLike[str], *, readonly: bool = True) -> Any:
    """Read what was saved at `path`, after checking all of it.

    Args:
        path: The folder of a run, a saved model or an index; a ``.keras`` file; or a component's JSON file.
        readonly: Open an index for reading only, so that using what was saved cannot change it.

    Returns:
        A :class:`simplug.SimilarityModel` with its index for a run or a saved model, a Keras model for a ``.keras``
        file, a :class:`simplug.Index`, or a component.

    Raises:
        ArtifactError: Nothing was saved there, or it is unfinished, damaged or of a newer format.
        ComponentError: A component that it names is not installed.
    """
    path = Path(path)
    if path.suffix == ".keras":
        from simplug.learn.model_file import load_model_file

        return load_model_file(path)
    if path.is_file():
        return load_component(path)
    artifact = _artifact_of(path)
    if artifact == "index":
        from simplug.index.index import Index

        return Index.open(path, readonly=readonly)
    if artifact in ("run", "model"):
        return _load_model(path, artifact, readonly)
    raise ArtifactError(f"{path} holds a saved {artifact}, of which there is nothing to load but its JSON file")


def _artifact_of(path: Path) -> str:
    if not path.is_dir():
        raise ArtifactError(f"{path}: there is no such file or folder")
    from simplug.experiment.folder import RunFolder

    RunFolder(path).check_complete()
    try:
        return str(json.loads((path / MANIFEST).read_bytes())["artifact"])
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise ArtifactError(f"{path / MANIFEST} is damaged: {cause}") from cause


def _load_model(path: Path, artifact: str, readonly: bool) -> Any:
    from simplug.index.index import Index
    from simplug.learn.model import INDEX_FOLDER, WEIGHTS_FILE
    from simplug.learn.model_file import load_model_file

    manifest = read_manifest(path, artifact)
    with provider_hint(manifest):
        model = load_model_file(path / WEIGHTS_FILE)
        if (path / INDEX_FOLDER).is_dir():
            model.attach_index(Index.open(path / INDEX_FOLDER, readonly=readonly))
    return model
