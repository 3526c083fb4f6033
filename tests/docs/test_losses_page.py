"""The page on losses has every component, and speaks of components and settings by the names that they have."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

import simplug
from simplug.kernel.entries import scan
from simplug.kernel.kinds import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
LISTED = [KINDS[name] for name in ("loss", "miner", "distance", "reducer", "regularizer")]


def tables():
    """Yield the heading, the head and the rows of each table of the page; cells are stripped."""
    heading, table = "", []
    for line in [*PAGE.splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            yield heading, table[0], table[2:]
            table = []
        if line.startswith("#"):
            heading = line.lstrip("# ")


def summary(cls):
    """Return the first sentence of a docstring."""
    return " ".join(cls.__doc__.split("\n\n")[0].split())


@pytest.mark.parametrize("kind", LISTED, ids=lambda kind: kind.name)
def test_every_component_is_listed_with_its_summary(kind):
    (listed,) = (rows for heading, _, rows in tables() if heading == kind.plural.capitalize())
    own = [entry.name for entry in scan().open[kind.group] if entry.distribution == "simplug"]
    registry = simplug.registry_of(kind.name)
    assert dict(listed) == {f"`{name}`": summary(registry.get(name)) for name in own}


def translations():
    """Yield a peer's class, the kind, name and settings that the page gives for it, one row of a table at a time."""
    for heading, head, rows in tables():
        if head[:3] != ["there", "here", "arguments"]:
            continue
        kind = next((kind for kind in LISTED if kind.plural in heading), KINDS["loss"])
        for there, here, arguments, _ in rows:
            settings = [part.split(" → ")[-1].strip("`") for part in arguments.split(", ") if part not in ("—", "")]
            yield pytest.param(kind, here.strip("`"), settings, id=f"{heading}: {there}")


@pytest.mark.parametrize(("kind", "name", "settings"), list(translations()))
def test_what_a_class_of_another_library_is_called_here_exists(kind, name, settings):
    if name == "—":
        assert not settings
        return
    assert set(settings) <= set(attrs.fields_dict(simplug.registry_of(kind.name).get(name)))


def test_the_table_of_data_names_losses():
    (rows,) = (rows for heading, _, rows in tables() if heading == "Which loss for which data")
    named = {name for _, cell, _ in rows for name in re.findall(r"`(\w+)`", cell)}
    assert named <= {*simplug.losses.names(), "label_comparison"}


def test_the_losses_with_presets_are_named():
    sentence = re.search(r"^They exist for (.*?)\.", PAGE, re.MULTILINE | re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", sentence)) == {
        name for name in simplug.losses.names() if simplug.losses.get(name).presets
    }
