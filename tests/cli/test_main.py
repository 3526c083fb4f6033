"""The frame of the command line: what is listed, how errors are shown, and what it costs."""

from __future__ import annotations

import re
import resource
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from simplug.api import hookimpl
from simplug.cli.main import _COMMANDS, cli
from simplug.kernel.plugins import plugins


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(cli, list(arguments), prog_name="simplug")


def simplug(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simplug", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def test_help_lists_every_command_with_its_summary(run):
    shown = run("--help")
    assert shown.exit_code == 0
    for name, known in _COMMANDS.items():
        assert f"  {name}" in shown.stdout
        assert known.summary in shown.stdout


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_has_its_own_help(run, name):
    shown = run(name, "--help")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith(f"Usage: simplug {name} ")
    assert not _COMMANDS[name].summary.endswith("..")


def test_the_version_is_printed(run):
    import simplug as package

    assert run("--version").stdout == f"simplug {package.__version__}\n"


def test_an_unknown_command_is_a_usage_error(run):
    shown = run("rnu")
    assert shown.exit_code == 2
    assert "No such command 'rnu'" in shown.stderr


def test_an_error_is_a_short_message_on_stderr_and_status_1():
    shown = simplug("check", "nowhere.toml")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == "error: config nowhere.toml: there is no such file\n"


PLUGIN = """
import click
import simplug
from simplug.api import hookimpl

@click.command(help="Greet.")
def greet():
    click.echo("hello from a plugin")

@click.command()
def fail():
    raise simplug.kernel.errors.DataError("nothing there")

@click.command()
def interrupt():
    raise KeyboardInterrupt

@hookimpl
def simplug_cli_commands(cli):
    cli.add_command(greet)
    cli.add_command(fail)
    cli.add_command(interrupt)
"""


@pytest.fixture
def plugin_file(tmp_path):
    file = tmp_path / "greeting.py"
    file.write_text(PLUGIN)
    return str(file)


def test_a_plugin_file_adds_commands(plugin_file):
    shown = simplug("--plugin", plugin_file, "greet")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "hello from a plugin\n", "")
    assert re.search(r"^  greet +Greet\.$", simplug("--plugin", plugin_file, "--help").stdout, re.MULTILINE)


def test_an_error_in_a_plugins_command_has_no_traceback(plugin_file):
    shown = simplug("--plugin", plugin_file, "fail")
    assert (shown.returncode, shown.stderr) == (1, "error: nothing there\n")


def test_ctrl_c_ends_with_status_130(plugin_file):
    shown = simplug("--plugin", plugin_file, "interrupt")
    assert (shown.returncode, shown.stderr) == (130, "interrupted\n")


def test_a_missing_plugin_file_is_an_error_before_anything_else(tmp_path):
    shown = simplug("--plugin", str(tmp_path / "nowhere.py"), "plugins")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == f"error: plugin file {tmp_path / 'nowhere.py'}: there is no such file\n"


def test_a_plugin_cannot_replace_a_command(run):
    class Thief:
        @hookimpl
        def simplug_cli_commands(self, cli):
            cli.add_command(click.Command("run"))

    thief = Thief()
    plugins.register(thief)
    try:
        shown = run("--help")
    finally:
        plugins.unregister(thief)
    assert shown.exit_code == 0
    assert (
        "warning: commands of plugins are missing: a plugin adds a command 'run', which is simplug's own"
        in shown.stderr
    )


def test_a_plugin_warning_is_one_line(site, run):
    site.install("acme-bad", {"simplug.hooks": {"bad": "acme_bad"}}, {"acme_bad": "1 / 0"})
    shown = run("--help")
    assert shown.stderr == "warning: plugin acme-bad:bad is skipped: ZeroDivisionError: division by zero\n"


def test_a_reader_that_closes_early_is_no_error():
    command = f"{sys.executable} -m simplug schema | head -1; exit ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert shown.stdout == "{\n"
    assert shown.stderr == ""


def test_a_blocked_kernel_still_lists_its_commands():
    import os

    shown = simplug("plugins", env={**os.environ, "SIMPLUG_BLOCK": "simplug"})
    assert shown.returncode == 0
    assert {line.split()[-1] for line in shown.stdout.splitlines()} == {"blocked"}


LIGHT = {
    "--help": [],
    "plugins": [],
    "show": ["loss", "multi_similarity"],
    "check": ["run.toml"],
    "schema": [],
    "init": ["fresh.toml"],
}


def processor_seconds(code, folder):
    """Return the processor time of a program, which a busy machine changes less than the clock, and the program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_command_imports_no_tensorflow_and_is_done_within_a_second(name, tmp_path):
    (tmp_path / "run.toml").write_text("[dataset]\nname = 'digits'\n")
    code = (
        "import sys\nfrom simplug.cli.main import cli\n"
        f"cli({[name, *LIGHT[name]]!r}, standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib', 'PIL', 'hnswlib', 'lmdb'}\n"
        "sys.stderr.write(','.join(heavy & set(sys.modules)))\n"
    )
    allowed = 0.5 if name == "--help" else 1
    seconds, numpy_seconds = [], []
    for _ in range(3):
        (tmp_path / "fresh.toml").unlink(missing_ok=True)
        taken, done = processor_seconds(code, tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        if taken < allowed:
            return
        seconds.append(taken)
        numpy_seconds.append(processor_seconds("import numpy", tmp_path)[0])
    # A second of a machine that imports NumPy in an eighth of one; what shares its cores slows it down, too.
    assert min(seconds) < allowed * max(1, 8 * min(numpy_seconds))
