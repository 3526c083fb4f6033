"""`simplug cross-validate`: how good a config is on classes that it has not met, with an interval."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simplug.kernel import toml

if TYPE_CHECKING:
    from simplug.experiment.cross_validation import CrossValidation, Estimate


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--folds", type=int, default=4, show_default=True, help="How many models are trained.")
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override a setting: loss.margin=0.3")
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: runs/NAME-OF-CONFIG-folds]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in that folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def cross_validate(
    config: Path, folds: int, overrides: Sequence[str], out: Path | None, overwrite: bool, as_json: bool
) -> None:
    """Deal the classes of CONFIG out to folds; train on all folds but one, and evaluate on that one, for each.

    The scores are those of classes that a model has not met. They are printed for each fold, with their mean and its
    95 % interval.
    """
    from simplug.cli.progress import TerminalProgress
    from simplug.experiment.folder import RunFolder
    from simplug.experiment.folds import deal
    from simplug.experiment.run import read_config

    parsed = read_config(toml.load(config, overrides))
    folder = out or Path("runs") / f"{config.name.split('.')[0]}-folds"
    RunFolder(folder).check_free(overwrite=overwrite)
    with TerminalProgress() as progress:
        with progress.stage("read the data"):
            dealt = deal(parsed, folds)
        with progress.stage("start Keras"), progress.noise():
            import keras

            from simplug.experiment import cross_validation as validation

            keras.ops.zeros(())
        result = validation.cross_validate(parsed, dealt, progress)
        validation.save(result, parsed, folder, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **result.as_json()}))
        return
    _print(result)
    click.echo(f"result: {folder / validation.RESULT}")


def _print(result: CrossValidation) -> None:
    """Print a row for each score: a column for each fold, and the mean with its interval; then the test split."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("", *(f"fold {number + 1}" for number in range(len(result.folds))), "mean (95 % interval)"):
        table.add_column(name)
    table.add_row("classes", *(str(len(fold.classes)) for fold in result.folds))
    for label, estimate in result.summary.items():
        table.add_row(_name(label), *(f"{fold.scores[label]:.3f}" for fold in result.folds), _told(estimate))
    console.print(table)
    if result.test is None:
        return
    console.print(f"\nclasses of the test split that are in no fold: {len(result.test.classes)}")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("", "models one by one", "concatenated"):
        table.add_column(name)
    for label, estimate in result.test.separate.items():
        table.add_row(_name(label), _told(estimate), f"{result.test.concatenated[label]:.3f}")
    console.print(table)


def _name(label: str) -> str:
    return label.replace("_", " ")


def _told(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} ± {(estimate.high - estimate.low) / 2:.3f}"
