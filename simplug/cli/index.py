"""`simplug index`: an index on the disk, looked at and looked after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from simplug.kernel.errors import InvalidInputError

_FOLDER = click.argument("folder", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def index() -> None:
    """Look at an index in FOLDER, and look after it.

    stats, verify and export only read, so another process may write to the index meanwhile; the others write to it.
    """


@index.command()
@_FOLDER
@_JSON
def stats(folder: Path, as_json: bool) -> None:
    """Say what the index is made of, its size, and how it was opened."""
    from simplug.index.index import Index

    with Index.open(folder, readonly=True) as opened:
        found = opened.stats()
    # Lookups are counted from the opening on; here there were none.
    asked = {"lookups", "queries", "lookup_seconds", "seconds_per_query"}
    shown = {name: value for name, value in found.items() if name not in asked}
    if as_json:
        click.echo(json.dumps(shown, indent=1))
        return
    _print({name: _words(name, value) for name, value in shown.items()})


@index.command()
@_FOLDER
@_JSON
@click.pass_context
def verify(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Compare every record and file with its checksum.

    The exit status is 1 if anything is wrong. Damaged records are listed by their ids.
    """
    from simplug.index.index import Index

    with Index.open(folder, readonly=True) as opened:
        found = opened.verify()
    if as_json:
        damaged = {str(id_): reason for id_, reason in found.damaged.items()}
        about = {"ok": found.ok, "records": found.records, "damaged": damaged, "problems": list(found.problems)}
        click.echo(json.dumps({**about, "self_recall": found.self_recall}, indent=1))
    else:
        for problem in found.problems:
            click.echo(f"problem: {problem}")
        for id_, reason in found.damaged.items():
            click.echo(f"damaged: id {id_}: {reason}")
        recall = "" if found.self_recall is None else f", self-recall {found.self_recall:.4f}"
        wrong = f"{_count(len(found.damaged), 'damaged record')}, {_count(len(found.problems), 'other problem')}"
        click.echo(f"{folder}: {'ok' if found.ok else wrong}; {_count(found.records, 'record')}{recall}")
    ctx.exit(0 if found.ok else 1)


@index.command()
@_FOLDER
def compact(folder: Path) -> None:
    """Give back the space of removed and replaced records."""
    from simplug.index.index import Index

    with Index.open(folder) as opened:
        before = sum(opened.stats()["bytes"].values())
        opened.compact()
        after = sum(opened.stats()["bytes"].values())
        click.echo(f"{folder}: {_count(len(opened), 'record')}, {_size(before)} before, {_size(after)} now")


@index.command()
@_FOLDER
def rebuild(folder: Path) -> None:
    """Build the search structure anew from the records."""
    from simplug.index.index import Index

    with Index.open(folder) as opened:
        opened.rebuild()
        click.echo(f"{folder}: built anew from {_count(len(opened), 'record')}")


@index.command()
@_FOLDER
@click.option("--recall", default=0.95, show_default=True, help="The share of the true neighbours to be found.")
@click.option("-k", default=10, show_default=True, help="Neighbours of each query.")
@click.option("--sample", default=500, show_default=True, help="How many records are asked for, as queries.")
@click.option("--seed", default=0, show_default=True, help="The seed of their choice.")
@_JSON
def tune(folder: Path, recall: float, k: int, sample: int, seed: int, as_json: bool) -> None:
    """Set the search to the least effort that finds enough.

    It is measured on records, each of which is asked for its neighbours but itself.
    """
    import attrs

    from simplug.index.index import Index

    with Index.open(folder) as opened:
        found = opened.tune(recall=recall, k=k, sample=sample, seed=seed)
    if as_json:
        click.echo(json.dumps(attrs.asdict(found), indent=1))
        return
    for trial in found.trials:
        micro = 1e6 * trial.seconds_per_query
        is_set = "  <- set" if trial == found.chosen else ""
        click.echo(f"effort {trial.effort:>6}   recall@{found.k} {trial.recall:.4f}   {micro:.0f} us a query{is_set}")
    click.echo(f"{folder}: the effort was {found.before} and is {found.chosen.effort}")


@index.command()
@_FOLDER
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def export(folder: Path, file: Path, overwrite: bool) -> None:
    """Write all records into FILE: .npz, .arrow or .feather."""
    from simplug.index.index import Index

    if file.exists() and not overwrite:
        raise InvalidInputError(f"{file} exists; pass --overwrite to replace it")
    with Index.open(folder, readonly=True) as opened:
        opened.export(file, overwrite=overwrite)
        click.echo(f"{file}: {_count(len(opened), 'record')}, {_size(file.stat().st_size)}")


def _print(rows: Mapping[str, str]) -> None:
    width = max(map(len, rows))
    for name, words in rows.items():
        click.echo(f"{name:<{width}}  {words}")


def _words(name: str, value: Any) -> str:
    if name == "bytes":
        return ", ".join(f"{part} {_size(size)}" for part, size in value.items()) or "nothing"
    if isinstance(value, Mapping):
        return " ".join(_settings(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _settings(table: Mapping[str, Any]) -> Iterator[str]:
    yield table["name"]
    for name, value in table.items():
        if name != "name":
            yield f"{name}={value}"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
