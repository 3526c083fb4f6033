"""`simplug plugins`: what is installed, from metadata alone unless it is asked to load everything."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import click

from simplug.cli.kind_parameter import to_kind
from simplug.kernel.entries import Entry, scan
from simplug.kernel.errors import AmbiguousComponentError, ComponentError
from simplug.kernel.kinds import HOOK_GROUP, KINDS
from simplug.kernel.plugins import plugins
from simplug.kernel.registry import Registry, registry_of

HOOKS = "hooks"
"""What objects with hook implementations are listed as, beside the kinds of component."""


@attrs.frozen
class Row:
    """One line of the list.

    Attributes:
        kind: The kind, or ``hooks``.
        name: The name that configs use.
        provider: The distribution and its version.
        target: ``module:attribute``.
        status: ``ok``; ``duplicate`` when the name alone is ambiguous; ``shadowed`` when an entry point has the name
            of this component of a hook; ``blocked``; and, after loading, ``broken``.
        seconds: How long the import took; None when nothing was loaded.
        failure: Why it cannot be used; empty when it can, or nothing was loaded.
    """

    kind: str
    name: str
    provider: str
    target: str
    status: str
    seconds: float | None = None
    failure: str = ""


@click.command("plugins")
@click.option("--kind", callback=to_kind, help="Only this kind of component.")
@click.option("--load", is_flag=True, help="Import everything, and report how long it took and what failed.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_plugins(kind: str | None, load: bool, as_json: bool) -> None:
    """List the installed components: kind, name, provider, target and status.

    Nothing is imported without --load. Components whose names are only known at run time are listed with --load.
    """
    rows = [row for one in ([kind] if kind else KINDS) for row in _components(registry_of(one), load)]
    if kind is None:
        rows += _hook_objects(load)
    if as_json:
        click.echo(json.dumps([attrs.asdict(row) for row in rows], indent=1))
        return
    if load:
        for line in (line for lines in plugins.hook.simplug_report_header() for line in lines):
            click.echo(line)
    for line in _aligned([_cells(row) for row in rows]):
        click.echo(line)
    for row in rows:
        if row.failure:
            click.echo(f"\n{row.failure}")


def _components(registry: Registry[Any], load: bool) -> Iterator[Row]:
    for entry in registry.entries(load=load):
        seconds, failure = _loaded(registry, entry) if load else (None, "")
        yield _row(registry.kind.name, entry, _status(registry, entry, failure), seconds, failure)
    for entry in scan().blocked.get(registry.kind.group, ()):
        yield _row(registry.kind.name, entry, "blocked")


def _row(kind: str, entry: Entry, status: str, seconds: float | None = None, failure: str = "") -> Row:
    return Row(kind, entry.name, entry.provider, entry.target, status, seconds, failure)


def _status(registry: Registry[Any], entry: Entry, failure: str) -> str:
    if failure:
        return "broken"
    try:
        found = registry.entry(entry.name)
    except AmbiguousComponentError:
        return "duplicate"
    return "ok" if found == entry else "shadowed"


def _loaded(registry: Registry[Any], entry: Entry) -> tuple[float, str]:
    start, failure = time.perf_counter(), ""
    try:
        registry.get(entry.qualified)
    except ComponentError as error:
        failure = str(error)
    return time.perf_counter() - start, failure


def _hook_objects(load: bool) -> Iterator[Row]:
    working = set(plugins.names()) if load else set()
    for entry in scan().open.get(HOOK_GROUP, ()):
        is_broken = load and entry.qualified not in working
        yield _row(HOOKS, entry, "broken" if is_broken else "ok")
    for entry in scan().blocked.get(HOOK_GROUP, ()):
        yield _row(HOOKS, entry, "blocked")


def _cells(row: Row) -> tuple[str, ...]:
    seconds = "" if row.seconds is None else f"{row.seconds:.3f} s"
    return (row.kind, row.name, row.provider, row.target, row.status, seconds)


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows as plain text in columns, whole at any width of the terminal, so that they can be searched."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
