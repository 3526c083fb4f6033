"""Fixtures of all tests: distributions that are installed for one test, and a fresh Python process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import pytest

import simplug


@attrs.frozen
class Site:
    """A folder on ``sys.path`` into which distributions are written as an installer would."""

    folder: Path

    def install(
        self,
        distribution: str,
        entry_points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str],
        *,
        version: str = "1.0",
        requires: Sequence[str] = (),
    ) -> None:
        """Write a distribution: its metadata, its entry points by group, and the source of its modules."""
        for name, source in modules.items():
            (self.folder / f"{name}.py").write_text(textwrap.dedent(source))
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires), ""]))
        groups = [
            f"[{group}]\n" + "\n".join(f"{name} = {target}" for name, target in points.items())
            for group, points in entry_points.items()
        ]
        (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
        simplug.refresh()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty site folder; what is installed there is gone after the test, modules included."""
    folder = tmp_path / "site"
    folder.mkdir()
    before = set(sys.modules)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        yield Site(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(folder)):
            del sys.modules[name]
    simplug.refresh()


@pytest.fixture
def block(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set SIMPLUG_BLOCK for one test."""

    def set_blocked(distributions: str) -> None:
        monkeypatch.setenv("SIMPLUG_BLOCK", distributions)
        simplug.refresh()

    yield set_blocked
    monkeypatch.delenv("SIMPLUG_BLOCK", raising=False)
    simplug.refresh()


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run code in a fresh Python process: ``python(code, VARIABLE="value")``."""

    def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
            timeout=120,
            check=False,
        )

    return run
