"""How suites are collected: what is counted, what may fail, and what cannot be taken out."""

from __future__ import annotations

import textwrap

# pytester forgets modules that its tests import first, and these two cannot be imported twice.
import importlib_metadata  # noqa: F401
import numpy as np  # noqa: F401
import pytest

from simplug.testing import MatcherSuite

pytest_plugins = ["pytester"]

FIRST = """
import attrs
import numpy as np
import pytest
import simplug
from simplug.api import Matcher, option
from simplug.testing import MatcherSuite

@attrs.frozen
class First(Matcher):
    '''The label of the nearest neighbour.'''

    scale: float = option(1.0, gt=0, doc="what distances are multiplied with")

    def match(self, labels, distances):
        return labels[:, 0].astype(np.int64), distances[:, 0].astype(np.float64) * self.scale

simplug.matchers.register("kit_first", First)
"""


@pytest.fixture
def run(pytester):
    def run_tests(source, *options):
        pytester.makepyfile(FIRST + textwrap.dedent(source))
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)

    yield run_tests
    import simplug

    if "kit_first" in simplug.matchers:
        simplug.matchers.unregister("kit_first")


def test_three_lines_run_every_check(run):
    result = run(
        """
        class TestFirst(MatcherSuite):
            name = "kit_first"
        """
    )
    result.assert_outcomes(passed=MatcherSuite.number_of_checks)


def test_settings_come_from_a_dict_or_from_a_fixture(run):
    result = run(
        """
        class TestDict(MatcherSuite):
            name = "kit_first"
            config = {"scale": 2.0}

        class TestFixture(MatcherSuite):
            name = "kit_first"

            @pytest.fixture
            def config(self, tmp_path):
                return {"scale": 2.0}
        """,
        "-k",
        "test_a_single_neighbour_decides",
    )
    result.assert_outcomes(failed=2, deselected=2 * (MatcherSuite.number_of_checks - 1))


def test_an_expected_failure_is_reported_with_its_reason(run):
    result = run(
        """
        class TestScaled(MatcherSuite):
            name = "kit_first"
            config = {"scale": 2.0}
            expected_failures = {
                "test_a_single_neighbour_decides": "distances are scaled",
                "test_the_label_is_one_of_the_neighbours": "distances are scaled",
            }
        """,
        "-rx",
    )
    result.assert_outcomes(passed=MatcherSuite.number_of_checks - 2, xfailed=2)
    result.stdout.fnmatch_lines(["XFAIL *test_a_single_neighbour_decides*distances are scaled*"])


def test_an_expected_failure_that_passes_is_a_failure(run):
    result = run(
        """
        class TestFirst(MatcherSuite):
            name = "kit_first"
            expected_failures = {"test_a_single_neighbour_decides": "it once failed"}
        """
    )
    result.assert_outcomes(passed=MatcherSuite.number_of_checks - 1, failed=1)
    result.stdout.fnmatch_lines(["*[[]XPASS(strict)[]] it once failed*"])


def test_tests_of_the_author_run_beside_the_checks(run):
    result = run(
        """
        class TestFirst(MatcherSuite):
            name = "kit_first"

            def test_something_of_my_own(self, component):
                assert component.scale == 1
        """
    )
    result.assert_outcomes(passed=MatcherSuite.number_of_checks + 1)


def test_checks_that_pytest_is_told_to_overlook_are_an_error(run):
    result = run(
        """
        class TestFirst(MatcherSuite):
            name = "kit_first"
        """,
        "-o",
        "python_functions=test_it*",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TestFirst: pytest did not collect these checks: *test_a_single_neighbour_decides*"])


def test_a_suite_alone_is_not_collected(run):
    result = run("from simplug.testing import MatcherSuite, MetricSuite")
    result.assert_outcomes()


def test_a_failed_check_shows_its_values(run):
    result = run(
        """
        class TestNobody(MatcherSuite):
            name = "kit_nobody"
        """,
        "-k",
        "exactly_one_provider",
    )
    result.assert_outcomes(failed=1, deselected=MatcherSuite.number_of_checks - 1)
    result.stdout.fnmatch_lines(["E*matcher 'kit_nobody' is provided by: nobody"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, 'TestIt tests no component: write name = "the name of a matcher"'),
        (
            {"name": "nearest", "expected_failures": {"test_nothing": "why"}},
            "TestIt: expected_failures names 'test_nothing', which is no check of the suite",
        ),
        (
            {"name": "nearest", "expected_failures": {"test_a_single_neighbour_decides": " "}},
            r"TestIt: expected_failures\['test_a_single_neighbour_decides'\] needs a reason",
        ),
        (
            {"name": "nearest", "test_a_single_neighbour_decides": None},
            "TestIt replaces test_a_single_neighbour_decides: the checks of a suite are fixed",
        ),
        (
            {"name": "nearest", "number_of_checks": 3},
            f"TestIt has {MatcherSuite.number_of_checks} checks, not 3",
        ),
    ],
)
def test_a_suite_that_would_shrink_is_refused(body, message):
    with pytest.raises(TypeError, match=message):
        type("TestIt", (MatcherSuite,), body)
