"""`simplug compare`: the scores of runs side by side, and what differs in their configs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simplug.kernel.errors import InvalidInputError

if TYPE_CHECKING:
    from simplug.experiment.compare import Comparison


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the scores and the differences as JSON.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page with overlaid curves as well.")
@click.option("--overwrite", is_flag=True, help="Replace the page if it exists.")
def compare(runs: Sequence[Path], as_json: bool, page: Path | None, overwrite: bool) -> None:
    """Compare the scores of RUNS, two folders or more, and show what differs in their configs."""
    from simplug.experiment.compare import compare as put_side_by_side

    if page is not None and page.exists() and not overwrite:
        raise InvalidInputError(f"{page} exists; pass --overwrite to replace it")
    comparison = put_side_by_side(runs)
    if page is not None:
        from simplug.experiment.report.comparison import write_comparison
        from simplug.kernel.artifacts import write_file

        write_file(page, write_comparison(comparison).encode())
    if as_json:
        click.echo(json.dumps(comparison.as_json(), indent=1))
        return
    _print(comparison)
    if page is not None:
        click.echo(f"page: {page}")


def _print(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from simplug.experiment.report import numbers

    console = Console()
    scores = Table(box=None, header_style="bold", pad_edge=False)
    scores.add_column("queries of")
    scores.add_column("score")
    for run in comparison.runs:
        scores.add_column(Text(run.name), justify="right", overflow="fold")
    group = None
    for row in comparison.rows:
        cells = []
        for place, value in enumerate(row.values):
            told = numbers.count(value) if row.label == "queries" and value is not None else numbers.score(value)
            cells.append(Text(f"* {told}", style="bold") if place in row.best else Text(told))
        scores.add_row(f"{row.group} classes" if row.group != group else "", Text(numbers.words(row.label)), *cells)
        group = row.group
    console.print(scores)
    if not comparison.differences:
        console.print("\nThe configs are the same.")
        return
    settings = Table(box=None, header_style="bold", pad_edge=False)
    settings.add_column("setting", overflow="fold")
    for run in comparison.runs:
        settings.add_column(Text(run.name), overflow="fold")
    for path, values in comparison.differences.items():
        settings.add_row(Text(path), *map(Text, values))
    console.print()
    console.print(settings)
