"""`simplug init`: a first config, with every default written out and explained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from simplug.kernel.artifacts import write_file
from simplug.kernel.component import DOC_KEY, Component, fields_of
from simplug.kernel.config import Report, plain_value, section_type, shortest, structure
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.registry import registry_of

if TYPE_CHECKING:
    from tomlkit.items import Table

PLACEHOLDER = "CHANGE ME"
"""What a required text of a data set is at first, such as the path of the user's own files."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("simplug.toml"))
@click.option("--dataset", default="digits", show_default=True, help="The data set that the config reads.")
def init(file: Path, dataset: str) -> None:
    """Write a commented config with all defaults to FILE.

    FILE is simplug.toml unless another name is given; an existing file is never overwritten.
    """
    from simplug.experiment.config import RunConfig

    if file.exists():
        raise InvalidInputError(f"{file} exists; choose another name, or remove it first")
    report = Report()
    config = structure(RunConfig, {"dataset": _dataset(dataset)}, report)
    report.finish()
    write_file(file, _text(config).encode())
    click.echo(f"wrote {file}\nnext: simplug check {file}, then simplug run {file}")


def _dataset(name: str) -> dict[str, str]:
    required = [field for field in fields_of(registry_of("dataset").get(name)) if field.default is attrs.NOTHING]
    return {"name": name, **{field.name: PLACEHOLDER for field in required}}


def _text(config: object) -> str:
    """Return the config as TOML: single values first, as the format asks, then a table for each section."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment("A run of simplug. Every setting has its default; delete what you do not change."))
    document.add(
        tomlkit.comment("`simplug show KIND` lists what may stand in place of a name, `simplug show KIND NAME`")
    )
    document.add(tomlkit.comment("its settings."))
    parts = [(field, getattr(config, field.name)) for field in fields_of(type(config))]
    parts = [(field, value) for field, value in parts if value is not None or section_type(field.type) is None]
    for field, value in sorted(parts, key=lambda part: attrs.has(type(part[1]))):
        document.add(tomlkit.nl())
        if attrs.has(type(value)):
            document.add(field.name, _table(value, field.metadata.get(DOC_KEY)))
        else:
            document.add(tomlkit.comment(field.metadata.get(DOC_KEY, field.name)))
            document.add(field.name, _inline(value))
    return tomlkit.dumps(document)


def _table(record: Any, doc: str | None) -> Table:
    """Return a section or a component as a table with a comment before each setting."""
    import tomlkit

    table = tomlkit.table()
    if doc:
        table.comment(doc)
    if isinstance(record, Component):
        table.add("name", registry_of(record.kind).name_of(type(record)))
    sections = []
    for field in fields_of(type(record)):
        value = getattr(record, field.name)
        if attrs.has(type(value)) and not isinstance(value, Component):
            sections.append((field, value))
            continue
        if field.metadata.get(DOC_KEY):
            table.add(tomlkit.comment(field.metadata[DOC_KEY]))
        table.add(field.name, _inline(value))
    for field, value in sections:
        table.add(field.name, _table(value, field.metadata.get(DOC_KEY)))
    return table


def _inline(value: object) -> Any:
    """Return a value as tomlkit writes it on one line, components in their shortest form."""
    import tomlkit

    if isinstance(value, tuple | list):
        array = tomlkit.array()
        array.extend(_inline(one) for one in value)
        return array
    plain = shortest(value) if isinstance(value, Component) else plain_value(value)
    if isinstance(plain, dict):
        table = tomlkit.inline_table()
        table.update({key: _inline(one) for key, one in plain.items()})
        return table
    return tomlkit.item(plain)
