"""The pytest plugin of simplug: fixtures for tests of plugins, and the collection of conformance suites.

Every pytest run beside an installed simplug imports this module, so it imports neither NumPy nor Keras.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from simplug.kernel.entries import BLOCK_VARIABLE
from simplug.kernel.kinds import HOOK_GROUP, KINDS
from simplug.kernel.registry import refresh
from simplug.testing.collection import pytest_pycollect_makeitem

__all__ = ["Entries", "pytest_pycollect_makeitem", "simplug_entries"]


@attrs.define
class Entries:
    """Installed distributions for the length of one test: real metadata in a folder on ``sys.path``.

    Attributes:
        path: The folder; modules written there can be imported, and entry points may name them.
    """

    path: Path
    _patch: pytest.MonkeyPatch
    _declared: dict[str, dict[str, dict[str, str]]] = attrs.field(factory=dict, init=False)

    def add(
        self,
        kind: str,
        name: str,
        target: str,
        *,
        distribution: str = "simplug-test",
        version: str = "1.0",
        requires: tuple[str, ...] = (),
    ) -> None:
        """Declare an entry point.

        Args:
            kind: A kind in the singular, such as ``"loss"``, or ``"hooks"`` for a plugin object.
            name: The name that configs use.
            target: ``module:attribute``.
            distribution: The distribution that declares it; asked for again, it gets one entry point more.
            version: Its version.
            requires: Its requirements, such as ``"simplug>=0.1,<1"``.
        """
        group = HOOK_GROUP if kind == "hooks" else KINDS[kind].group
        groups = self._declared.setdefault(distribution, {})
        groups.setdefault(group, {})[name] = target
        folder = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(exist_ok=True)
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
        sections = [
            f"[{group}]\n" + "\n".join(f"{name} = {target}" for name, target in points.items())
            for group, points in groups.items()
        ]
        (folder / "entry_points.txt").write_text("\n\n".join(sections) + "\n", encoding="utf-8")
        refresh()

    def block(self, *distributions: str) -> None:
        """Switch distributions off, as the environment variable ``SIMPLUG_BLOCK`` does."""
        before = [part for part in os.environ.get(BLOCK_VARIABLE, "").split(",") if part]
        self._patch.setenv(BLOCK_VARIABLE, ",".join([*before, *distributions]))
        refresh()


@pytest.fixture
def simplug_entries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entries]:
    """Entry points to add and distributions to block; everything is as before when the test ends."""
    path = tmp_path_factory.mktemp("simplug_entries")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path)
        yield Entries(path, patch)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(path)):
            del sys.modules[name]
    refresh()
