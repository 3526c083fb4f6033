"""`simplug evaluate`: the scores of a run, computed again from what it saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="A metric instead of the config's.")
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def evaluate(run: Path, metrics: Sequence[str], as_json: bool) -> None:
    """Evaluate the model and the index of RUN on the test split of its data set."""
    from simplug.cli.progress import TerminalProgress
    from simplug.cli.run import print_scores
    from simplug.experiment.config import EvaluateSection
    from simplug.experiment.loading import load_run
    from simplug.experiment.selection import select
    from simplug.kernel.registry import REGISTRIES

    named = tuple(REGISTRIES["metric"].build(name) for name in metrics)
    chosen = EvaluateSection(metrics=named).metrics if named else None
    with TerminalProgress() as progress:
        with progress.stage("load the run"), progress.noise():
            loaded = load_run(run)
            from simplug.experiment.scores import evaluate as score
        with progress.stage("read the data"):
            selection = select(loaded.config.dataset.load(), loaded.config)
        with progress.stage("evaluate"):
            model = loaded.model
            evaluation = score(
                model.gallery,
                model.embed(selection.test.inputs),
                selection,
                chosen or loaded.config.evaluate.metrics,
                resamples=loaded.config.evaluate.intervals,
                seed=loaded.config.train.seed,
            )
    if as_json:
        click.echo(json.dumps({"groups": evaluation.groups, "intervals": evaluation.intervals}))
    else:
        print_scores(evaluation.groups, evaluation.intervals)
