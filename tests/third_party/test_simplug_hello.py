"""The smallest plugin package, installed beside the wheel of simplug in a fresh environment, as a stranger would."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "simplug-hello"


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(EXAMPLE / "hello.toml", folder)
    shutil.copytree(EXAMPLE / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.slow
def test_a_third_party_component_is_found_used_blocked_and_conforms(environment, work):
    place = environment.run("python", "-c", "import simplug; print(simplug.__file__)", cwd=work)
    assert place.stdout.startswith(str(environment.path)), place.stdout + place.stderr

    before = environment.run("simplug", "check", "hello.toml", cwd=work)
    assert before.returncode == 1
    assert "no distance named 'chebyshev' is installed" in before.stderr

    environment.install(EXAMPLE)
    listed = environment.run("simplug", "plugins", "--kind", "distance", "--json", cwd=work)
    rows = [row for row in json.loads(listed.stdout) if row["name"] == "chebyshev"]
    assert [(row["provider"], row["target"], row["status"]) for row in rows] == [
        ("simplug-hello 0.1.0", "simplug_hello:Chebyshev", "ok")
    ]
    shown = environment.run("simplug", "show", "distance", "chebyshev", cwd=work)
    assert "The largest difference between the coordinates of two vectors." in shown.stdout

    checked = environment.run("simplug", "check", "hello.toml", cwd=work)
    assert checked.returncode == 0, checked.stderr
    assert "chebyshev" in checked.stdout
    code = "import simplug; print(simplug.losses.build('contrastive', distance='chebyshev').distance)"
    built = environment.run("python", "-c", code, cwd=work)
    assert built.stdout == "Chebyshev()\n", built.stderr

    run = environment.run("simplug", "run", "hello.toml", "--out", "run", "--json", cwd=work)
    assert run.returncode == 0, run.stderr
    assert (work / "run" / "report.html").is_file()
    resolved = (work / "run" / "config.resolved.toml").read_text(encoding="utf-8")
    assert "simplug-hello 0.1.0" in resolved

    blocked = environment.run("simplug", "check", "hello.toml", cwd=work, env={"SIMPLUG_BLOCK": "simplug-hello"})
    assert blocked.returncode == 1
    assert (
        "distance 'chebyshev' is blocked: SIMPLUG_BLOCK switches its distribution 'simplug-hello' off" in blocked.stderr
    )

    conforms = environment.run("python", "-m", "pytest", "tests", "-q", "-p", "no:cacheprovider", cwd=work)
    assert conforms.returncode == 0, conforms.stdout
    assert "35 passed" in conforms.stdout


@pytest.mark.parametrize("path", ["pyproject.toml", "src/simplug_hello.py", "tests/test_conformance.py", "hello.toml"])
def test_the_tutorial_shows_the_files_as_they_are(path):
    tutorial = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert (EXAMPLE / path).read_text(encoding="utf-8").strip() in tutorial
