"""`simplug show`: what one component does, and each of its settings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click

from simplug.cli.kind_parameter import to_kind
from simplug.kernel.component import BOUNDS_KEY, DOC_KEY, KIND_KEY, MANY_KEY, fields_of
from simplug.kernel.config import accepts_none, describe_type, plain_value
from simplug.kernel.errors import ComponentError
from simplug.kernel.registry import registry_of
from simplug.kernel.schema import summary_of

_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@attrs.frozen
class Setting:
    """One field of a component, as users write it.

    Attributes:
        name: Its key in a config.
        type: What it takes, in words.
        required: Whether it has no default.
        default: The default as a plain value; None where there is none.
        bounds: The limits, in words; empty without.
        doc: What it means.
    """

    name: str
    type: str
    required: bool
    default: Any
    bounds: str
    doc: str


@click.command()
@click.argument("kind", callback=to_kind)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(kind: str, name: str | None, as_json: bool) -> None:
    """Show what the component NAME of KIND does, its settings, and where its source is.

    Without NAME, list the components of KIND, each with its first sentence.
    """
    if name is None:
        summaries = dict(_summaries(kind))
        width = max(map(len, summaries), default=0)
        click.echo(
            json.dumps(summaries, indent=1)
            if as_json
            else "\n".join(f"{one:<{width}}  {summary}" for one, summary in summaries.items())
        )
        return
    registry = registry_of(kind)
    cls, entry = registry.get(name), registry.entry(name)
    file, line = _source(cls)
    own = inspect.get_annotations(cls)
    # What the class itself declares says more than what it shares with its kind.
    settings = [_setting(field) for field in sorted(fields_of(cls), key=lambda field: field.name not in own)]
    doc = inspect.cleandoc(cls.__doc__ or "")
    if as_json:
        about = {"kind": kind, "name": entry.name, "provider": entry.provider, "target": entry.target}
        place = {"file": file, "line": line, "doc": doc}
        fields = {"settings": [attrs.asdict(one) for one in settings], "presets": cls.presets}
        click.echo(json.dumps({**about, **place, **fields}, indent=1))
        return
    click.echo(f"{kind} {entry.name}  from {entry.provider}\n{file}:{line}\n\n{doc}\n")
    click.echo("settings:" if settings else "It has no settings.")
    for setting in settings:
        # A type that lists its values has said what the bounds would say again.
        bounds = f", {setting.bounds}" if setting.bounds and setting.bounds != setting.type else ""
        default = "required" if setting.required else f"default {json.dumps(setting.default, ensure_ascii=False)}"
        click.echo(f"  {setting.name}: {setting.type}{bounds}; {default}")
        if setting.doc:
            click.echo(f"      {setting.doc}")
    if cls.presets:
        click.echo("presets:")
    for preset, values in cls.presets.items():
        chosen = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
        click.echo(f"  {preset}: {chosen}")


def _summaries(kind: str) -> Iterator[tuple[str, str]]:
    registry = registry_of(kind)
    for name in registry.names():
        try:
            yield name, summary_of(registry.get(name))
        except ComponentError as error:
            yield name, str(error).splitlines()[0]


def _source(cls: type) -> tuple[str, int]:
    file = Path(inspect.getsourcefile(cls) or "")
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return str(shown), inspect.getsourcelines(cls)[1]


def _setting(field: attrs.Attribute[Any]) -> Setting:
    kind = field.metadata.get(KIND_KEY)
    if kind:
        words = f"a list of {registry_of(kind).kind.plural}" if field.metadata.get(MANY_KEY) else f"a {kind}"
        words += " or 'none'" if accepts_none(field.type) or field.default is None else ""
    else:
        words = describe_type(field.type)
    return Setting(
        field.alias or field.name,
        words,
        field.default is attrs.NOTHING,
        _default(field),
        _bounds(field.metadata.get(BOUNDS_KEY) or {}),
        field.metadata.get(DOC_KEY, ""),
    )


def _default(field: attrs.Attribute[Any]) -> Any:
    if field.default is attrs.NOTHING:
        return None
    factory = getattr(field.default, "factory", None)
    return plain_value(field.default if factory is None else factory())


def _bounds(bounds: dict[str, Any]) -> str:
    words = [f"{_SIGNS[key]} {bounds[key]}" for key in _SIGNS if key in bounds]
    if "choices" in bounds:
        words.append(f"one of {', '.join(map(repr, bounds['choices']))}")
    if "pattern" in bounds:
        words.append(f"matching {bounds['pattern']}")
    return " and ".join(words)
