"""What all tests share: a quiet TensorFlow, packages for one test, fresh processes, what TensorBoard would read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

import simplug

# Both are read when TensorFlow is first imported.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of simplug's own tests."""
    parser.addoption(
        "--faults",
        type=int,
        default=2,
        metavar="N",
        help="how many faults of each kind the tests inject; those that are marked slow take a multiple of it",
    )


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> int:
    """How many faults of each kind are injected."""
    return int(request.config.getoption("--faults"))


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
def largest_file() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """Let no file grow beyond so many bytes within a block, as a full disk would."""

    @contextlib.contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture
def rewrite_manifest() -> Callable[..., Path]:
    """Change values of a manifest as another version would have written it, its own hash included."""

    def rewrite(file: Path, **values: object) -> Path:
        data = {**json.loads(file.read_text()), **values}
        del data["sha256"]
        text = json.dumps(data, indent=1, sort_keys=True)
        file.write_text(json.dumps({**data, "sha256": hashlib.sha256(text.encode()).hexdigest()}))
        return file

    return rewrite


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


@attrs.frozen
class Environment:
    """A virtual environment in which simplug was installed from its wheel.

    Its other packages are those of the environment that runs the tests: their folder comes after its own on the path,
    so nothing is downloaded, and simplug itself is the one installed here.
    """

    path: Path

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self.path / "bin" / "python")

    def install(self, *packages: Path) -> None:
        """Install packages from wheels or folders, and nothing that they depend on."""
        # pip writes beside the sources that it builds; these are a repository's.
        copies = [self._copy(package) if package.is_dir() else package for package in packages]
        options = ["--no-deps", "--no-build-isolation", "--ignore-installed", "--no-index", "--quiet"]
        pip = [sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check", "install"]
        _checked([*pip, *options, *map(str, copies)])

    def _copy(self, source: Path) -> Path:
        target = self.path / "sources" / source.name
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        return target

    def run(self, *command: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the interpreter with arguments, ``simplug`` or another command of the environment."""
        program = self.python if command[0] == "python" else str(self.path / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]],
            cwd=cwd,
            env={**_without_simplug(), **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of simplug: the one that the caller built and named in SIMPLUG_WHEEL, or one built here."""
    if os.environ.get("SIMPLUG_WHEEL"):
        return Path(os.environ["SIMPLUG_WHEEL"])
    source, out = tmp_path_factory.mktemp("source") / "simplug", tmp_path_factory.mktemp("wheel")
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("simplug", "plugins"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    _checked([*pip, "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(source)])
    (built,) = out.glob("simplug-*.whl")
    return built


@pytest.fixture
def environment(wheel: Path, tmp_path: Path) -> Environment:
    """A fresh environment with simplug alone."""
    made = Environment(tmp_path / "environment")
    _checked([sys.executable, "-m", "venv", "--without-pip", str(made.path)])
    (own,) = made.path.glob("lib/python*/site-packages")
    parents = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (own / "parent.pth").write_text("\n".join(parents) + "\n", encoding="utf-8")
    made.install(wheel)
    return made


def _without_simplug() -> dict[str, str]:
    """Return the variables of this process without those that change what Python or simplug finds."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "SIMPLUG_BLOCK", "SIMPLUG_TRACE")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def _checked(command: list[str]) -> None:
    done = subprocess.run(command, env=_without_simplug(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def events() -> Callable[[Path], list[tuple[int, str, str, Any]]]:
    """Read step, tag, plugin and tensor of all that was written to a folder: ``events(folder)``."""
    import tensorflow as tf

    def read(folder: Path) -> list[tuple[int, str, str, Any]]:
        found = []
        for file in sorted(folder.glob("events.out.tfevents.*")):
            for record in tf.data.TFRecordDataset(str(file)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                for value in event.summary.value:
                    plugin = value.metadata.plugin_data.plugin_name
                    found.append((event.step, value.tag, plugin, tf.make_ndarray(value.tensor)))
        return found

    return read
