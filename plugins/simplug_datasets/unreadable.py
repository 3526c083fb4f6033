"""What becomes of examples that cannot be read: an error, or left out, counted and named."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from simplug.api import DataError, SimplugWarning

_NAMED = 5


class UnreadableExampleWarning(SimplugWarning):
    """Examples were left out of a data set because they cannot be read."""


class UnreadFilesWarning(SimplugWarning):
    """Files lie where a data set does not look for them, or are of a kind that it does not read."""


def warn_of_unread(who: str, paths: Sequence[Path], *, stacklevel: int) -> None:
    """Say how many files and folders a data set does not read, and name the first of them."""
    if not paths:
        return
    more = len(paths) - _NAMED
    folders = sum(path.is_dir() for path in paths)
    counts = [f"{count} {what}" for count, what in ((folders, "folders"), (len(paths) - folders, "pictures")) if count]
    warnings.warn(
        f"{who}: {' and '.join(counts)} are not read, by their place or their ending:\n  "
        + "\n  ".join(str(path) for path in paths[:_NAMED])
        + (f"\n  and {more} more" if more > 0 else ""),
        UnreadFilesWarning,
        stacklevel=stacklevel + 1,
    )


class Unreadable:
    """Remembers the examples that a data set could not read.

    Args:
        who: The data set, such as ``dataset image_folder``.
        what: What it reads, such as ``images``.
        policy: ``error`` refuses the first of them, ``skip`` leaves them out.

    Attributes:
        count: How many could not be read.
        named: The first of them, with the reason.
    """

    def __init__(self, who: str, what: str, policy: Literal["error", "skip"]) -> None:
        self._who = who
        self._what = what
        self._is_strict = policy == "error"
        self.count = 0
        self.named: list[str] = []

    def add(self, where: object, reason: object) -> None:
        """Note one that cannot be read.

        Raises:
            DataError: Such examples are refused.
        """
        if self._is_strict:
            raise DataError(
                f'{self._who}: {where} cannot be read: {reason}\nset unreadable = "skip" to leave such {self._what} out'
            )
        self.recall(1, [f"{where}: {reason}"])

    def recall(self, count: int, named: Sequence[str]) -> None:
        """Note some that were found before."""
        self.count += count
        self.named = [*self.named, *named][:_NAMED]

    def warn(self, total: int, *, stacklevel: int) -> None:
        """Say how many examples of `total` were left out, and why the first of them were."""
        if not self.count:
            return
        more = self.count - len(self.named)
        warnings.warn(
            f"{self._who}: {self.count} of {total} {self._what} cannot be read and are left out:\n  "
            + "\n  ".join(self.named)
            + (f"\n  and {more} more" if more else ""),
            UnreadableExampleWarning,
            stacklevel=stacklevel + 1,
        )
