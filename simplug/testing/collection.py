"""How pytest collects a conformance suite: every check, and those expected to fail marked as such.

A suite that shrinks stays green unless somebody counts; so collecting fewer checks than the suite has is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import pytest


class SuiteClass(pytest.Class):
    """A class of a test module that inherits from :class:`simplug.testing.ComponentSuite`."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Return the checks.

        Raises:
            CollectError: The configuration of pytest hides checks of the suite.
        """
        items = list(super().collect())
        found = {getattr(item, "originalname", None) or item.name for item in items}
        missing = sorted(self.obj.checks() - found)
        if missing:
            raise self.CollectError(f"{self.name}: pytest did not collect these checks: {', '.join(missing)}")
        for item in items:
            reason = self.obj.expected_failures.get(getattr(item, "originalname", None))
            if reason:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
        return items


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> Any:
    """Collect the suites of a test module as such; everything else as pytest does."""
    # Whoever defined a suite has imported this module; nobody else pays for it.
    kit = sys.modules.get("simplug.testing.component")
    if kit is None or not isinstance(obj, type) or not issubclass(obj, kit.ComponentSuite):
        return None
    return SuiteClass.from_parent(collector, name=name, obj=obj) if obj.__name__.startswith("Test") else None
