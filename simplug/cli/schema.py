"""`simplug schema`: the JSON Schema of a config, for editors."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of a config, made from the installed components.

    Editors that know the schema complete and check a config while it is written.
    """
    from simplug.experiment.config import RunConfig
    from simplug.kernel.schema import schema_of

    click.echo(json.dumps(schema_of(RunConfig), indent=1, ensure_ascii=False))
