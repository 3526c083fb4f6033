"""The checks of every kind find the mistakes that they are there for."""

from __future__ import annotations

import itertools

import attrs
import pytest

from simplug.testing import ComponentSuite, MatcherSuite

GOOD = '''
"""A module."""

from __future__ import annotations

import attrs
import numpy as np
from simplug.api import Matcher, option


@attrs.frozen
class Some(Matcher):
    """Says the label of the nearest."""

    weight: float = option(1.0, gt=0, le=2, doc="a weight")
    counts: tuple[int, ...] = option((1,), ge=1, doc="some counts")
    mode: str = option("a", choices=("a", "b"), doc="a mode")

    def match(self, labels, distances):
        return labels[:, 0].astype(np.int64), distances[:, 0].astype(np.float64)
'''


_VERSIONS = itertools.count()


class Suite(MatcherSuite):
    """The suite of a component that each test writes."""

    name = "some"


@pytest.fixture
def suite(simplug_entries):
    def suite_of(*edits):
        source = GOOD
        for old, new in edits:
            assert old in source
            source = source.replace(old, new)
        (simplug_entries.path / "kit_some.py").write_text(source, encoding="utf-8")
        # Imports are measured once for each version of a distribution.
        simplug_entries.add("matcher", "some", "kit_some:Some", version=f"1.{next(_VERSIONS)}")
        return Suite()

    return suite_of


def test_a_good_component_passes(suite):
    good = suite()
    component = good.registry.build("some")
    arguments = {"component": component, "table": {"name": "some"}}
    passed = 0
    for check in sorted(ComponentSuite.checks()):
        method = getattr(good, check)
        names = method.__code__.co_varnames[1 : method.__code__.co_argcount]
        method(**{name: arguments[name] for name in names})
        passed += 1
    assert passed == ComponentSuite.number_of_checks


def test_two_providers_are_found(suite, simplug_entries):
    found = suite()
    simplug_entries.add("matcher", "some", "kit_some:Some", distribution="simplug-rival")
    with pytest.raises(AssertionError, match="'some' is provided by: simplug-rival:some, simplug-test:some"):
        found.test_the_name_has_exactly_one_provider()


def test_a_class_that_can_change_is_found(suite):
    found = suite(("@attrs.frozen", "@attrs.define"))
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        found.test_the_class_is_a_frozen_attrs_class(found.registry.build("some"))


@pytest.mark.parametrize("doc", ["", "Some", "Says the label\n\n    of the nearest."])
def test_a_docstring_without_a_sentence_is_found(suite, doc):
    found = suite(('"""Says the label of the nearest."""', f'"""{doc}"""'))
    with pytest.raises(AssertionError, match="must open with a sentence"):
        found.test_the_docstring_opens_with_a_summary_sentence()


def test_a_heavy_import_is_found(suite):
    found = suite(("import attrs\n", "import attrs\nimport PIL.Image\n"))
    with pytest.raises(AssertionError, match="importing the module of matcher 'some' imports PIL"):
        found.test_importing_it_is_light()


@pytest.mark.parametrize("line", ["import PIL.Image", "raise ImportError"])
def test_what_another_component_imports_is_not_held_against_it(suite, simplug_entries, line):
    found = suite()
    (simplug_entries.path / "kit_other.py").write_text(f"{line}\n", encoding="utf-8")
    version = found.registry.entry("some").version
    simplug_entries.add("matcher", "other", "kit_other:Other", version=version)
    found.test_importing_it_is_light()


@pytest.mark.parametrize("statement", ["import simplug.index.index", "from simplug import learn"])
def test_a_private_import_is_found_inside_a_method_too(suite, statement):
    found = suite(("        return labels", f"        {statement}\n        return labels"))
    with pytest.raises(AssertionError, match="kit_some imports simplug"):
        found.test_it_uses_public_parts_of_simplug_only()


def test_a_setting_without_a_doc_is_found(suite):
    found = suite(('weight: float = option(1.0, gt=0, le=2, doc="a weight")', "weight: float = 1.0"))
    with pytest.raises(AssertionError, match="settings without a doc: weight"):
        found.test_every_setting_is_documented()


def test_a_setting_that_is_lost_on_the_way_is_found(suite):
    found = suite(("weight: float = option(", "weight: float = attrs.field(eq=False, init=False, default=1.0)  # "))
    component = attrs.evolve(found.registry.build("some"), counts=(2,))
    with pytest.raises(AssertionError):
        found.test_equal_settings_give_equal_components(component, {"name": "some"})


def test_a_hidden_setting_is_found(suite):
    found = suite(('doc="a mode")', 'doc="a mode")\n    hidden: int = attrs.field(default=1, repr=False)'))
    with pytest.raises(AssertionError, match="does not show hidden"):
        found.test_its_repr_is_readable(found.registry.build("some"))


def test_a_bound_that_is_not_enforced_is_found(suite):
    declared = 'weight: float = option(1.0, gt=0, le=2, doc="a weight")'
    unchecked = (
        'weight: float = attrs.field(default=1.0, metadata={"simplug.doc": "a weight", "simplug.bounds": {"gt": 0}})'
    )
    found = suite((declared, unchecked))
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        found.test_every_bound_is_enforced(found.registry.build("some"), {"name": "some"})


def test_a_component_of_another_kind_is_found(suite, simplug_entries):
    suite()
    simplug_entries.add("metric", "some", "kit_some:Some")
    from simplug.kernel.errors import NotAComponentError
    from simplug.testing import MetricSuite

    class MetricOfTheName(MetricSuite):
        name = "some"

    with pytest.raises(NotAComponentError):
        MetricOfTheName().test_the_name_has_exactly_one_provider()
