"""`simplug run`: the main job, from a config to a complete run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simplug.kernel import toml

if TYPE_CHECKING:
    from simplug.experiment.run import Outcome


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override a setting: loss.margin=0.3")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/NAME-OF-CONFIG]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
@click.option(
    "--resume",
    "unfinished",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Go on with a run that was broken off.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def run(
    config: Path | None,
    overrides: Sequence[str],
    out: Path | None,
    overwrite: bool,
    unfinished: Path | None,
    as_json: bool,
) -> None:
    """Train, index, calibrate, evaluate, save and report, as CONFIG says; or go on with a run: --resume DIR."""
    if (config is None) == (unfinished is None):
        raise click.UsageError("give a CONFIG, or --resume DIR for a run that was broken off")
    if unfinished is not None and (overrides or out or overwrite):
        raise click.UsageError("--resume goes on with a run as it is: without --set, --out and --overwrite")
    folder = unfinished or out or Path("runs") / _name(config)
    outcome = _run(config, overrides, folder, overwrite)
    _print(outcome, as_json)


def _run(config: Path | None, overrides: Sequence[str], folder: Path, overwrite: bool) -> Outcome:
    """Run a config, or go on with the run of a folder where there is none; tell how to go on after Ctrl-C."""
    from simplug.cli.progress import TerminalProgress
    from simplug.experiment.folder import RunFolder
    from simplug.experiment.run import read_config, resume
    from simplug.experiment.run import run as run_config

    parsed = None if config is None else read_config(toml.load(config, overrides))
    try:
        with TerminalProgress() as progress:
            if parsed is None:
                return resume(folder, progress=progress)
            return run_config(parsed, folder, overwrite=overwrite, progress=progress)
    except KeyboardInterrupt:
        if RunFolder(folder).is_resumable:
            click.echo(f"`simplug run --resume {folder}` goes on from the last checkpoint", err=True)
        raise


def _name(config: Path | None) -> str:
    return "" if config is None else config.name.split(".")[0]


def _print(outcome: Outcome, as_json: bool) -> None:
    from simplug.experiment import folder as names
    from simplug.experiment.class_choice import listed

    if as_json:
        click.echo(json.dumps({"folder": str(outcome.folder), **outcome.metrics}))
        return
    print_scores(outcome.metrics["groups"], outcome.metrics["intervals"])
    if outcome.config.split.train_fraction is not None:
        classes, drawn = outcome.metrics["classes"], outcome.metrics["trained_on"]
        drawn_names = listed(classes[str(label)] for label in drawn)
        click.echo(f"trained on {len(drawn)} of {len(classes)} classes, drawn by chance: {drawn_names}")
    kept, epochs = outcome.metrics["kept_epoch"], outcome.metrics["epochs"]
    if outcome.config.train.early_stopping is not None:
        wanted = outcome.config.train.epochs
        how = f"stopped early after {epochs} of {wanted} epochs" if epochs < wanted else f"all {epochs} epochs"
        click.echo(f"training: {how}" + (f"; the weights of epoch {kept} are kept" if kept else ""))
    collapse = outcome.metrics["collapse"]
    if collapse is not None:
        click.echo(f"training: collapsed since epoch {collapse['since']}; the report says what to try")
    optimal = outcome.metrics["cut_points"]["optimal"]
    click.echo(
        f"cut point: distance {optimal['distance']:.4g}   fit: {outcome.metrics['fit_seconds']:.0f} s"
        f"   seed: {outcome.metrics['seed']}"
    )
    click.echo(f"report: {outcome.folder / names.REPORT}")


def print_scores(groups: Mapping[str, Mapping[str, Any]], intervals: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table of scores, one column a group of queries, with 95 % intervals where there are any."""
    from rich.console import Console
    from rich.table import Table

    from simplug.experiment.scores import score_table

    head, rows = score_table(groups, intervals)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in head:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
