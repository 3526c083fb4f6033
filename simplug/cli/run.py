"""`simplug run`: the main job, from a config to a complete run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from simplug.kernel import toml


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override a setting: loss.margin=0.3")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/NAME-OF-CONFIG]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def run(config: Path, overrides: Sequence[str], out: Path | None, overwrite: bool, as_json: bool) -> None:
    """Train, index, calibrate, evaluate, save and report, as CONFIG says."""
    from simplug.cli.progress import TerminalProgress
    from simplug.experiment import folder as names
    from simplug.experiment.class_choice import listed
    from simplug.experiment.run import read_config
    from simplug.experiment.run import run as run_config

    parsed = read_config(toml.load(config, overrides))
    folder = out or Path("runs") / config.name.split(".")[0]
    with TerminalProgress() as progress:
        outcome = run_config(parsed, folder, overwrite=overwrite, progress=progress)
    if as_json:
        click.echo(json.dumps({"folder": str(outcome.folder), **outcome.metrics}))
        return
    print_scores(outcome.metrics["groups"], outcome.metrics["intervals"])
    if parsed.split.train_fraction is not None:
        classes, drawn = outcome.metrics["classes"], outcome.metrics["trained_on"]
        drawn_names = listed(classes[str(label)] for label in drawn)
        click.echo(f"trained on {len(drawn)} of {len(classes)} classes, drawn by chance: {drawn_names}")
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
