"""The pages say what is true: their Python runs and prints what they show, their TOML is TOML."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
HEAVY = "<!-- needs TensorFlow -->"
"""Written on the line above a Python block that takes long; those of a page are run together, among the slow tests."""

BLOCK = re.compile(
    rf"(?P<heavy>{HEAVY}\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$(?=(?P<output>\n\n```text\n(?P<text>.*?)^```$)?)",
    re.MULTILINE | re.DOTALL,
)
MARK = "=== end of a block ==="


def blocks(page: Path, language: str, *, heavy: bool = False) -> list[re.Match[str]]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [block for block in found if block["language"] == language and bool(block["heavy"]) == heavy]


def ids(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=ids)
def test_the_python_of_a_page_runs_and_prints_what_the_page_shows(page, tmp_path):
    # One program a page, so that later blocks may use what earlier ones define.
    script = tmp_path / "page.py"
    future = "from __future__ import annotations\n"
    parts = [block["code"].replace(future, "") + f"\nprint({MARK!r})\n" for block in blocks(page, "python")]
    script.write_text(future + "\n".join(parts), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.split(f"{MARK}\n")[:-1]
    expected = [block["text"] or "" for block in blocks(page, "python")]
    assert printed == expected


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python", heavy=True)], ids=ids)
def test_the_long_examples_of_a_page_run_and_print_what_the_page_shows(page, tmp_path):
    script = tmp_path / "page.py"
    shown = blocks(page, "python", heavy=True)
    script.write_text("\n".join(f"{block['code']}\nprint({MARK!r})" for block in shown), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.split(f"{MARK}\n")[:-1]
    # What a training comes to is not shown where it differs from machine to machine.
    assert [text for text, block in zip(printed, shown, strict=True) if block["text"]] == [
        block["text"] for block in shown if block["text"]
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=ids)
def test_the_toml_of_a_page_is_toml(page):
    for block in blocks(page, "toml"):
        tomllib.loads(block["code"])


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_whole_configs_of_the_config_page_are_accepted():
    from simplug.experiment.run import read_config
    from simplug.kernel.toml import Document

    whole = [tomllib.loads(block["code"]) for block in blocks(DOCS / "config.md", "toml")]
    whole = [values for values in whole if "dataset" in values]
    assert len(whole) == 2
    for values in whole:
        assert read_config(Document(values)).dataset


def test_the_section_table_of_the_config_page_is_complete():
    import attrs

    from simplug.experiment.config import RunConfig

    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "config.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [field.name for field in attrs.fields(RunConfig) if field.name != "made_with"]


def test_every_error_class_is_in_the_table_of_errors():
    from simplug.kernel import errors

    classes = {
        name
        for name, cls in vars(errors).items()
        if isinstance(cls, type)
        and issubclass(cls, errors.SimplugError)
        and name not in ("SimplugError", "ComponentError")
    }
    rows = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "errors.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == classes
