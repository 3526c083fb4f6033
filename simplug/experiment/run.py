"""A run: train, index, calibrate, evaluate, save and report, from one config."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from simplug.experiment import folder as names
from simplug.experiment.batches import require_first_batch
from simplug.experiment.config import MadeWithSection, RunConfig
from simplug.experiment.folder import RunFolder
from simplug.experiment.progress import Progress
from simplug.experiment.selection import Selection, select
from simplug.kernel.artifacts import providers_of, sha256, write_file, write_manifest
from simplug.kernel.config import Report, plain_fields, structure
from simplug.kernel.errors import ArtifactError
from simplug.kernel.toml import Document, dumps, load
from simplug.learn.checkpoint import Checkpoint

VERSIONED = ("simplug", "keras", "tensorflow", "numpy", "scikit-learn", "hnswlib", "lmdb")
"""The distributions whose versions a resolved config records."""


@attrs.frozen(eq=False)
class Outcome:
    """What a run came to.

    Attributes:
        folder: The complete run folder.
        metrics: What ``metrics.json`` holds.
        config: The config of the run.
    """

    folder: Path
    metrics: Mapping[str, Any]
    config: RunConfig


def read_config(document: Document) -> RunConfig:
    """Check a whole config and build its components; nothing else is done.

    Raises:
        ConfigError: The config has mistakes; all of them, with file and line.
    """
    report = Report(document.origin)
    config: RunConfig = structure(RunConfig, document.values, report)
    report.finish()
    return config


def run(
    config: RunConfig, folder: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None
) -> Outcome:
    """Do everything that a config asks for, and leave a complete run folder.

    The folder carries the mark ``INCOMPLETE`` until its last file is written; a run that stops in the middle,
    however it stops, leaves the mark and the name of the stage, and :func:`resume` goes on with it.

    Args:
        config: The config.
        folder: The folder of the run, which is made.
        overwrite: Replace an earlier run in that folder, once the data have been read.
        progress: Hears how far the run is.

    Raises:
        ArtifactError: The folder is taken or cannot be written; nothing was done.
        DataError: The data cannot be used; nothing was written.
    """
    progress = progress or Progress()
    place = RunFolder(Path(folder))
    place.check_free(overwrite=overwrite)
    with progress.stage("read the data"):
        selection = select(config.dataset.load(), config)
        require_first_batch(config, selection.training)
    scorers = _start_keras(config, selection, progress)
    place.start()
    values = resolved(config)
    write_file(place.path / names.CONFIG, dumps(values).encode())
    return _work(config, values, selection, scorers, place, progress)


def resume(folder: str | os.PathLike[str], *, progress: Progress | None = None) -> Outcome:
    """Go on with a run that was broken off, from its newest checkpoint, to the result that it would have had.

    Weights and scores are those of the run undisturbed, to the last bit where the training repeats itself to the last
    bit, as it does on CPUs; only times differ. What came after the checkpoint is done again.

    Args:
        folder: The folder of the run.
        progress: Hears how far the run is; versions that differ from those that the run began with are noted.

    Raises:
        ArtifactError: There is nothing to go on with, the checkpoint is damaged or does not fit, or the config in the
            folder or the data are not those that the run began with; nothing was done.
        ConfigError: A component of the config is not installed, or has changed its settings.
        DataError: The data cannot be used.
    """
    progress = progress or Progress()
    place = RunFolder(Path(folder))
    start = place.checkpoint()
    if start.made_by["config"] != sha256(place.path / names.CONFIG):
        raise ArtifactError(
            f"{place.path / names.CONFIG} was changed since the run began; a run is resumed as it was, and a changed "
            "config is another run: simplug run CONFIG --out FOLDER"
        )
    document = load(place.path / names.CONFIG)
    config = read_config(document)
    present = versions()
    for name, before in document.values["made_with"]["versions"].items():
        now = present.get(name)
        if now != before:
            progress.note(f"the run began with {name} {before} and goes on with {now}; its result may differ")
    with progress.stage("read the data"):
        selection = select(config.dataset.load(), config)
    if start.made_by["data"] != _fingerprint(selection):
        raise ArtifactError(f"the data are not those that the run in {place.path} began with: labels differ")
    scorers = _start_keras(config, selection, progress)
    place.resume()
    return _work(config, document.values, selection, scorers, place, progress, start)


def _start_keras(config: RunConfig, selection: Selection, progress: Progress) -> list[Any]:
    """Do what takes seconds or may be refused before anything is written; return the callbacks that score."""
    with progress.stage("start Keras"), progress.noise():
        import keras

        from simplug.experiment.scoring import scoring

        # The first tensor makes the backend look for devices, and say what it did not find.
        keras.ops.zeros(())
        return scoring(config, selection)


def _work(
    config: RunConfig,
    values: Mapping[str, Any],
    selection: Selection,
    scorers: list[Any],
    place: RunFolder,
    progress: Progress,
    start: Checkpoint | None = None,
) -> Outcome:
    """Do the stages of a run in its folder."""
    from simplug.experiment.card import write_card
    from simplug.experiment.compare import small_roc
    from simplug.experiment.gallery import index_gallery
    from simplug.experiment.report import Findings, write_report
    from simplug.experiment.scores import as_json, evaluate
    from simplug.experiment.training import train
    from simplug.learn.resuming import Checkpoints

    place.enter("train")
    with progress.stage("train", config.train.epochs * config.train.steps_per_epoch):
        trained = train(
            config,
            selection.training,
            progress,
            scorers,
            log_dir=place.path / names.TENSORBOARD if config.train.tensorboard else None,
            checkpoints=Checkpoints(
                place.path / names.CHECKPOINTS,
                every_steps=config.train.checkpoint_steps,
                made_by={"config": sha256(place.path / names.CONFIG), "data": _fingerprint(selection)},
                start=start,
            ),
        )
    model = trained.model
    write_file(place.path / names.HISTORY, _csv(trained.history))
    model.save(place.path / names.MODEL)

    place.enter("index")
    with progress.stage("index the gallery"):
        index = model.create_index(
            place.path / names.INDEX,
            distance=config.index.distance,
            search=config.index.search,
            store=config.index.store,
        )
        index_gallery(model, selection.gallery)

    place.enter("calibrate")
    with progress.stage("calibrate"):
        calibration = model.calibrate(
            selection.calibration.inputs,
            selection.calibration.labels,
            metric=config.calibrate.metric,
            k=config.calibrate.k,
            matcher=config.calibrate.matcher,
            targets=config.calibrate.targets or None,
        )

    place.enter("evaluate")
    with progress.stage("evaluate"):
        evaluation = evaluate(
            index,
            model.embed(selection.test.inputs),
            selection,
            config.evaluate.metrics,
            resamples=config.evaluate.intervals,
            seed=config.train.seed,
        )
    metrics = {
        **as_json(evaluation),
        "cut_points": {name: attrs.asdict(point) for name, point in calibration.cut_points.items()},
        "classes": selection.class_names,
        "trained_on": selection.seen.tolist(),
        "category_names": selection.group_names,
        "epochs": len(trained.history),
        "kept_epoch": trained.kept_epoch,
        "collapse": None if trained.collapse is None else attrs.asdict(trained.collapse),
        "fit_seconds": trained.seconds,
        "seed": config.train.seed,
        "roc": small_roc(evaluation.pairs),
    }
    write_file(place.path / names.METRICS, _json(metrics))

    place.enter("report")
    with progress.stage("write the report"):
        collapse = None if trained.collapse is None else trained.collapse.message
        findings = Findings(values, selection, trained.history, calibration, evaluation, index, collapse)
        write_file(place.path / names.REPORT, write_report(findings, title=place.path.name).encode())
        write_file(place.path / names.CARD, write_card(findings, title=place.path.name).encode())
        index.close()
        config_values = {"run": place.path.name}
        write_manifest(
            place.path,
            "run",
            config_values,
            providers_of(config),
            leave_out=(names.INDEX, names.INCOMPLETE, names.CHECKPOINTS, names.TENSORBOARD),
        )
    place.finish()
    return Outcome(place.path, json.loads(_json(metrics)), config)


def resolved(config: RunConfig) -> dict[str, Any]:
    """Return a config as plain values: every setting, and the versions and providers of what it is made with."""
    made_with = MadeWithSection(versions=versions(), providers=providers_of(config))
    return {**plain_fields(config), "made_with": plain_fields(made_with)}


def versions() -> dict[str, str]:
    """Return the version of Python and of each package that a resolved config records."""
    from importlib_metadata import version

    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONED}}


def _fingerprint(selection: Selection) -> str:
    """Return a hash of which labels play which part; examples themselves may be too many to read."""
    found = hashlib.sha256()
    for split in (selection.training, selection.gallery, selection.calibration, selection.test):
        found.update(split.labels.astype("<i8").tobytes())
        found.update(b"|")
    return found.hexdigest()


def _csv(rows: list[dict[str, float]]) -> bytes:
    text = io.StringIO()
    # An epoch without scores leaves their columns empty.
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, allow_nan=False, default=dict) + "\n").encode()
