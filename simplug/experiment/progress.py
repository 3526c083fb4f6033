"""What a run tells about its progress; the command line draws bars from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


class Progress:
    """Hears of the stages of a run and of the work done in them; this one keeps silent."""

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Surround a stage.

        Args:
            name: What is done, in words for the user.
            total: The amount of work, if it is known.
        """
        yield

    def advance(self, done: int, note: str = "") -> None:
        """Tell how much of the current stage's total is done by now, with a short note such as the loss."""

    def note(self, text: str) -> None:
        """Tell something that the user should know, and that stops nothing."""

    def noise(self) -> AbstractContextManager[None]:
        """Surround work of libraries that write to the terminal on their own; the command line hides it."""
        return nullcontext()
