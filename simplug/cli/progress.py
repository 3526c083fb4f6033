"""Progress bars on a terminal, for everything that may take longer than a second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from simplug.cli.interruption import Interruption
from simplug.cli.noise import hidden
from simplug.experiment.progress import Progress


class TerminalProgress(Progress):
    """Draws the stages of a run on stderr, so that stdout holds only results.

    Where stderr is no terminal, it prints one line a stage instead.
    """

    def __init__(self) -> None:
        # A copy of stderr: bars go on being drawn while the noise of libraries is hidden.
        self._stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
        self._console = Console(file=self._stream)
        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._current = self._bars.add_task("", visible=False, note="")
        self._opened = ExitStack()
        self._interruption = Interruption()

    def __enter__(self) -> TerminalProgress:
        self._opened.callback(self._stream.close)
        self._opened.enter_context(self._interruption)
        self._opened.enter_context(self._bars)
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)
        self._stream.flush()

    def noise(self) -> AbstractContextManager[None]:
        """Hide the start-up notes of TensorFlow."""
        return hidden()

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Draw a bar for a stage; a stage without a total pulses until it is done."""
        if not self._console.is_terminal:
            self._console.print(f"{name} …")
            self._stream.flush()
        self._current = self._bars.add_task(name, total=total, note="")
        yield
        self._bars.update(self._current, total=total or 1, completed=total or 1)

    def advance(self, done: int, note: str = "") -> None:
        """Move the bar of the current stage.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed, and whatever ran at that moment did not stop.
        """
        self._interruption.check()
        self._bars.update(self._current, completed=done, note=note)
