"""Runs side by side: their scores, what differs in their configs, and their curves."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from simplug.api.pair_counts import PairCounts
from simplug.experiment import folder as names
from simplug.experiment.folder import RunFolder
from simplug.kernel import toml
from simplug.kernel.errors import ArtifactError, InvalidInputError, SimplugError
from simplug.kernel.registry import REGISTRIES
from simplug.plots.pairs import curve_points

_NOT_SET = "(not set)"
_CURVE_POINTS = 100


@attrs.frozen(eq=False)
class FinishedRun:
    """What a run folder tells of its run; its model and its index are not read.

    Attributes:
        name: The name of the folder; its whole path where two have one name.
        path: The folder.
        groups: The scores by group of queries.
        intervals: Their intervals.
        config: The resolved config, as plain values.
        history: One row an epoch.
        roc: ``far`` and ``tar``, columns of equal length, ascending; None where the run had no pairs.
    """

    name: str
    path: Path
    groups: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    config: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    roc: Mapping[str, Sequence[float]] | None


@attrs.frozen
class Row:
    """One score of all runs.

    Attributes:
        group: The group of queries.
        label: The score.
        values: The value of each run; None where it has none.
        best: The places of the runs with the best value; empty where no value is better than another.
    """

    group: str
    label: str
    values: tuple[float | None, ...]
    best: tuple[int, ...]


@attrs.frozen(eq=False)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: The runs, in the order in which they were named.
        rows: Every score that at least one run has, group by group.
        differences: For each setting that is not the same in all runs, by its dotted path, its value in each.
    """

    runs: tuple[FinishedRun, ...]
    rows: tuple[Row, ...]
    differences: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as plain values, without the curves."""
        return {
            "runs": [
                {"name": run.name, "path": str(run.path), "groups": run.groups, "intervals": run.intervals}
                for run in self.runs
            ],
            "differences": {path: list(values) for path, values in self.differences.items()},
        }


def compare(paths: Sequence[str | os.PathLike[str]]) -> Comparison:
    """Read some runs and put them side by side.

    Args:
        paths: The folders of at least two runs.

    Raises:
        ArtifactError: A folder holds no run, or an unfinished or damaged one.
        InvalidInputError: There are fewer than two runs, one is named twice, or they have no score in common.
    """
    folders = [Path(path) for path in paths]
    if len(folders) < 2:
        raise InvalidInputError("name at least two runs to compare")
    for folder in folders:
        if sum(folder.resolve() == other.resolve() for other in folders) > 1:
            raise InvalidInputError(f"{folder} is named twice")
    short = [folder.resolve().name for folder in folders]
    runs = tuple(
        _read(folder, name if short.count(name) == 1 else str(folder))
        for folder, name in zip(folders, short, strict=True)
    )
    if not set.intersection(*(set(run.groups["all"]) - {"queries"} for run in runs)):
        told = "; ".join(f"{run.name} has {', '.join(run.groups['all']) or 'none'}" for run in runs)
        raise InvalidInputError(f"the runs have no score in common: {told}")
    return Comparison(runs, tuple(_rows(runs)), _differences(runs))


def small_roc(counts: PairCounts | None) -> dict[str, list[float]] | None:
    """Return the ROC curve of some pairs as a run keeps it, in at most a hundred points; None without pairs."""
    if counts is None:
        return None
    far, tar = curve_points(counts, _CURVE_POINTS)
    return {"far": [float(f"{value:.6g}") for value in far], "tar": [float(f"{value:.6g}") for value in tar]}


def _read(folder: Path, name: str) -> FinishedRun:
    RunFolder(folder).check_complete()
    if not (folder / names.METRICS).is_file():
        raise ArtifactError(f"{folder} holds no run: there is no {names.METRICS}")
    try:
        metrics = json.loads((folder / names.METRICS).read_bytes())
        groups = {group: dict(scores) for group, scores in metrics["groups"].items()}
        with (folder / names.HISTORY).open(encoding="utf-8", newline="") as lines:
            history = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(lines)]
        return FinishedRun(
            name=name,
            path=folder,
            groups={"all": groups["all"], **groups},
            intervals={
                group: {label: (low, high) for label, (low, high) in bounds.items()}
                for group, bounds in metrics.get("intervals", {}).items()
            },
            config=toml.load(folder / names.CONFIG).values,
            history=history,
            roc=metrics.get("roc"),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise ArtifactError(f"{folder} is damaged: {cause}") from cause


def _rows(runs: Sequence[FinishedRun]) -> Iterator[Row]:
    better = _directions(runs)
    for group in dict.fromkeys(group for run in runs for group in run.groups):
        told = [run.groups.get(group, {}) for run in runs]
        for label in dict.fromkeys(label for scores in told for label in scores):
            values = tuple(scores.get(label) for scores in told)
            yield Row(group, label, values, _best(values, better.get(label)))


def _best(values: Sequence[float | None], maximize: bool | None) -> tuple[int, ...]:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if maximize is None or len(set(known)) < 2:
        return ()
    best = max(known) if maximize else min(known)
    return tuple(place for place, value in enumerate(values) if value == best)


def _directions(runs: Sequence[FinishedRun]) -> dict[str, bool]:
    """Return for each score whether higher is better, as far as the metrics of the configs are installed."""
    found = {"matching_accuracy": True}
    for run in runs:
        for table in run.config.get("evaluate", {}).get("metrics", ()):
            try:
                metric = REGISTRIES["metric"].build(table)
            except SimplugError:
                continue
            if metric.task != "training":
                found[metric.label] = metric.maximize
    return found


def _differences(runs: Sequence[FinishedRun]) -> dict[str, tuple[str, ...]]:
    flat = [dict(_flat(run.config)) for run in runs]
    paths = dict.fromkeys(path for settings in flat for path in settings)
    values = {path: tuple(settings.get(path, _NOT_SET) for settings in flat) for path in paths}
    return {path: told for path, told in values.items() if len(set(told)) > 1}


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the settings of a config by their dotted paths; what the providers were is left to the versions."""
    for name, value in table.items():
        path = f"{above}.{name}" if above else name
        if path == "made_with.providers":
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, path)
        else:
            yield path, value if isinstance(value, str) else json.dumps(value, default=str)
