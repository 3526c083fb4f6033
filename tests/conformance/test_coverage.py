"""No component of simplug is forgotten here, and the page on the kit says what the kit does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import simplug.testing
from simplug.kernel.entries import scan
from simplug.kernel.kinds import KINDS
from simplug.testing import ComponentSuite

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
SUITES = {kind.contract: getattr(simplug.testing, f"{kind.contract}Suite") for kind in KINDS.values()}


def _tested(kind):
    """Return the names that the module of a kind puts through the suite of that kind."""
    file = Path(__file__).with_name(f"test_{kind.plural}.py")
    if not file.exists():
        return []
    spec = importlib.util.spec_from_file_location(f"coverage_of_{kind.plural}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suites = [value for name, value in vars(module).items() if name.startswith("Test")]
    assert all(issubclass(suite, SUITES[kind.contract]) for suite in suites)
    return sorted(suite.name for suite in suites)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_component_of_simplug_goes_through_its_suite(kind):
    declared = [entry.name for entry in scan().open.get(kind.group, ()) if entry.distribution == "simplug"]
    assert _tested(kind) == sorted(declared)


def test_every_kind_has_a_suite_of_its_own_checks():
    for kind in KINDS.values():
        suite = SUITES[kind.contract]
        assert suite.kind == kind.name
        assert suite.checks() > ComponentSuite.checks()


def test_the_page_states_the_number_of_checks():
    headings = re.findall(r"^## (\w+): (\d+) checks$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(count) for name, count in headings} == {
        name: suite.number_of_checks for name, suite in SUITES.items()
    }
    assert f"## Every component: {ComponentSuite.number_of_checks} checks" in PAGE.read_text(encoding="utf-8")


def test_the_page_lists_every_check():
    _, *sections = PAGE.read_text(encoding="utf-8").split("\n## Every component: ")[1].split("\n## ")
    common = set(re.findall(r"^- `(test_\w+)`", PAGE.read_text(encoding="utf-8").split("\n## Loss: ")[0], re.MULTILINE))
    assert common == ComponentSuite.checks()
    listed = {section.split(":")[0]: set(re.findall(r"^- `(test_\w+)`", section, re.MULTILINE)) for section in sections}
    assert listed == {name: suite.checks() - ComponentSuite.checks() for name, suite in SUITES.items()}
