"""The `simplug` command: its subcommands by name, its options, and how an error reaches the user."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

import attrs
import click

from simplug.kernel.errors import SimplugError, SimplugWarning
from simplug.kernel.plugins import PluginWarning, plugins

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells count it: 128 and the number of the signal."""


@attrs.frozen
class _Known:
    """A subcommand that is listed without importing it.

    Attributes:
        target: ``module:attribute`` of the click command.
        summary: What `simplug --help` says of it.
    """

    target: str
    summary: str


_COMMANDS = {
    "init": _Known("simplug.cli.init:init", "Write a commented config with the defaults."),
    "check": _Known("simplug.cli.check:check", "Check a config and say what it would run."),
    "run": _Known("simplug.cli.run:run", "Train, index, calibrate, evaluate and report, from a config."),
    "query": _Known("simplug.cli.query:query", "Find the neighbours of files in the index of a run."),
    "evaluate": _Known("simplug.cli.evaluate:evaluate", "Evaluate a run again."),
    "cross-validate": _Known(
        "simplug.cli.cross_validate:cross_validate", "Evaluate a config on classes that its models have not met."
    ),
    "compare": _Known("simplug.cli.compare:compare", "Compare runs: their scores, and what differs in their configs."),
    "index": _Known("simplug.cli.index:index", "Look at an index, verify, compact, tune or export it."),
    "plugins": _Known("simplug.cli.plugins:list_plugins", "List the installed components."),
    "show": _Known("simplug.cli.show:show", "Show a component: what it does and its settings."),
    "schema": _Known("simplug.cli.schema:schema", "Print the JSON Schema of a config, for editors."),
    "new-plugin": _Known("simplug.cli.new_plugin:new_plugin", "Write a plugin package that installs and is tested."),
}


class Cli(click.Group):
    """The group of all subcommands.

    A subcommand's module is imported when it is invoked or its own help is shown; listing them imports none.
    """

    _asked_at = -1

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return our commands in the order of use, then those of plugins."""
        self._ask_plugins()
        return [*_COMMANDS, *sorted(set(self.commands) - set(_COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one of our commands; ask the plugins only for a name that is not ours."""
        if cmd_name in _COMMANDS:
            module, _, attribute = _COMMANDS[cmd_name].target.partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        self._ask_plugins()
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every command with its summary, without importing ours."""
        rows = []
        for name in self.list_commands(ctx):
            if name in _COMMANDS:
                rows.append((name, _COMMANDS[name].summary))
            elif not self.commands[name].hidden:
                rows.append((name, self.commands[name].get_short_help_str(100)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a plugin's command.

        Raises:
            SimplugError: The name is one of simplug's own.
        """
        name = name or cmd.name
        if name in _COMMANDS:
            raise SimplugError(f"a plugin adds a command '{name}', which is simplug's own; choose another name")
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; Ctrl-C ends the process with status 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the command line; an error meant for the user is a message and status 1, never a traceback."""
        with _short_warnings():
            try:
                return super().main(args, *rest, **extra)
            except SimplugError as error:
                _fail(error)

    def _ask_plugins(self) -> None:
        if self._asked_at == plugins.changes:
            return
        try:
            plugins.hook.simplug_cli_commands(cli=self)
        except Exception as cause:
            warnings.warn(f"commands of plugins are missing: {cause}", PluginWarning, stacklevel=2)
        self._asked_at = plugins.changes


def _fail(error: SimplugError) -> NoReturn:
    click.echo(f"error: {error}", err=True)
    sys.exit(1)


@contextlib.contextmanager
def _short_warnings() -> Iterator[None]:
    """Print a warning of simplug without the line of code that gave it; leave other warnings as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", PluginWarning)
        as_usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, SimplugWarning):
                click.echo(f"warning: {message}", err=True)
            else:
                as_usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def _load_plugin_files(ctx: click.Context, parameter: click.Parameter, files: tuple[Path, ...]) -> None:
    for file in files:
        plugins.load_file(file)


def _print_version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from simplug.kernel.entries import own_version

        click.echo(f"simplug {own_version()}")
        ctx.exit()


@click.group(cls=Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--plugin",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_load_plugin_files,
    help="Run a Python file as a plugin first; may be repeated.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def cli() -> None:
    """Metric learning for Keras 3, built from plugins."""


def main() -> None:
    """Run the command line and exit."""
    try:
        cli(prog_name="simplug")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
