"""`simplug query`: the neighbours of files in the index of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-k", default=5, show_default=True, help="Neighbours of each query.")
@click.option("--json", "as_json", is_flag=True, help="Print the neighbours as JSON.")
def query(run: Path, files: Sequence[Path], k: int, as_json: bool) -> None:
    """Find the neighbours of FILES in the index of RUN, and the label that each is matched with.

    FILES are images, or .npy arrays that hold one input or several.
    """
    from simplug.cli.progress import TerminalProgress
    from simplug.experiment.inputs import read_inputs
    from simplug.experiment.loading import load_run

    with TerminalProgress() as progress, progress.stage("load the run"), progress.noise():
        loaded = load_run(run)
    inputs = read_inputs(files, loaded.model.inputs[0].shape[1:])
    embeddings = loaded.model.embed(inputs.examples)
    neighbors = loaded.model.gallery.lookup(embeddings, k=k)
    matched = loaded.model.gallery.match(embeddings)
    results = [
        {
            "query": inputs.names[row],
            "match": loaded.name_of(int(matched[row])),
            "neighbors": [
                {
                    "id": int(neighbors.ids[row, rank]),
                    "label": loaded.name_of(int(neighbors.labels[row, rank])),
                    "distance": float(neighbors.distances[row, rank]),
                }
                for rank in range(neighbors.ids.shape[1])
                if neighbors.ids[row, rank] >= 0
            ],
        }
        for row in range(len(inputs.names))
    ]
    if as_json:
        click.echo(json.dumps(results, indent=1))
    else:
        _print(results)


def _print(results: Sequence[dict[str, Any]]) -> None:
    for result in results:
        click.echo(f"{result['query']}: {result['match']}")
        for rank, neighbor in enumerate(result["neighbors"], start=1):
            click.echo(f"  {rank:>2}  {neighbor['distance']:.4f}  {neighbor['label']}  (id {neighbor['id']})")
