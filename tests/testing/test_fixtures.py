"""The pytest plugin: entry points for one test, and what loading it costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import simplug
from simplug.kernel.errors import BlockedComponentError, IncompatibleComponentError, UnknownComponentError
from simplug.testing.fixtures import Entries

SOURCE = '''
import attrs
import numpy as np
from simplug.api import Matcher

@attrs.frozen
class Sleepy(Matcher):
    """Knows nothing."""

    def match(self, labels, distances):
        return labels[:, 0], np.full(len(labels), np.inf)
'''


def _add(entries, **options):
    (entries.path / "kit_sleepy.py").write_text(SOURCE, encoding="utf-8")
    entries.add("matcher", "sleepy", "kit_sleepy:Sleepy", distribution="simplug-sleepy", **options)


def test_an_added_entry_point_is_found_and_loaded(simplug_entries):
    _add(simplug_entries, version="2.5")
    entry = simplug.matchers.entry("sleepy")
    assert (entry.provider, entry.target) == ("simplug-sleepy 2.5", "kit_sleepy:Sleepy")
    assert type(simplug.matchers.build("sleepy")).__name__ == "Sleepy"


def test_one_distribution_may_declare_several(simplug_entries):
    _add(simplug_entries)
    simplug_entries.add("matcher", "drowsy", "kit_sleepy:Sleepy", distribution="simplug-sleepy")
    simplug_entries.add("distance", "drowsy", "kit_sleepy:Sleepy", distribution="simplug-other")
    assert {"sleepy", "drowsy"} <= set(simplug.matchers.names())
    assert simplug.distances.entry("drowsy").distribution == "simplug-other"


def test_a_distribution_can_be_blocked(simplug_entries):
    _add(simplug_entries)
    simplug_entries.block("simplug-sleepy")
    with pytest.raises(BlockedComponentError):
        simplug.matchers.entry("sleepy")
    simplug_entries.block("simplug")
    assert simplug.matchers.names() == []


def test_requirements_are_read(simplug_entries):
    _add(simplug_entries, requires=("simplug>=99",))
    with pytest.raises(IncompatibleComponentError):
        simplug.matchers.get("sleepy")


def test_everything_is_as_before_when_the_test_ends(tmp_path_factory):
    names = simplug.matchers.names()
    fixture = _entries_of(tmp_path_factory)
    entries = next(fixture)
    assert isinstance(entries, Entries)
    _add(entries)
    simplug.matchers.build("sleepy")
    assert "kit_sleepy" in sys.modules
    assert next(fixture, None) is None
    assert simplug.matchers.names() == names
    assert "kit_sleepy" not in sys.modules
    assert str(entries.path) not in sys.path
    with pytest.raises(UnknownComponentError):
        simplug.matchers.entry("sleepy")


def test_loading_the_plugin_imports_neither_numpy_nor_keras():
    code = (
        "import sys, json, pytest; before = set(sys.modules); import simplug.testing.fixtures;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "keras", "tensorflow", "tomlkit", "cattrs"} & set(json.loads(done.stdout))


def _entries_of(tmp_path_factory):
    """Return the generator behind the fixture, to end it by hand."""
    from simplug.testing import fixtures

    return fixtures.simplug_entries.__wrapped__(tmp_path_factory)
