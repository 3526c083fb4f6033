"""The kind of component as a parameter of a command, in the singular or in the plural."""

from __future__ import annotations

import click

from simplug.kernel.errors import did_you_mean
from simplug.kernel.kinds import KINDS


def to_kind(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the singular of ``loss`` and ``losses`` alike; the callback of a parameter.

    Raises:
        click.BadParameter: There is no such kind.
    """
    if value is None:
        return None
    for kind in KINDS.values():
        if value in (kind.name, kind.plural):
            return kind.name
    raise click.BadParameter(f"no kind named '{value}'{did_you_mean(value, KINDS)}\nkinds: {', '.join(KINDS)}")
