"""`simplug check`: every mistake of a config, and what it would run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from simplug.kernel import toml
from simplug.kernel.component import Component
from simplug.kernel.config import NONE, shortest


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override a setting: loss.margin=0.3")
def check(config: Path, overrides: Sequence[str]) -> None:
    """Check CONFIG without running it: all its mistakes, with file and line, or what it would run."""
    from simplug.experiment.run import read_config

    run = read_config(toml.load(config, overrides))
    click.echo(f"{config}: ok")
    rows = list(_parts(run, ""))
    width = max(len(path) for path, _ in rows)
    for path, part in rows:
        click.echo(f"  {path:<{width}}  {part}")


def _parts(record: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the components of a config, and the plain settings of its sections, by their dotted paths."""
    for field in attrs.fields(type(record)):
        value = getattr(record, field.name)
        where = f"{path}.{field.name}" if path else field.name
        if isinstance(value, Component):
            yield where, _words(value)
        elif isinstance(value, tuple) and any(isinstance(one, Component) for one in value):
            yield where, ", ".join(_words(one) for one in value)
        elif attrs.has(type(value)):
            yield from _parts(value, where)
        elif value not in (None, {}, ()):
            yield where, str(list(value) if isinstance(value, tuple) else value)


def _words(component: Component) -> str:
    """Return the name of a component and its settings, nested ones by their names."""
    config = shortest(component)
    if isinstance(config, str):
        return config
    named = {
        key: value.get("name", value) if isinstance(value, dict) else value
        for key, value in config.items()
        if value != NONE
    }
    name = named.pop("name")
    return f"{name} ({', '.join(f'{key}={value}' for key, value in named.items())})"
