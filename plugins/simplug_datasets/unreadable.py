"""What becomes of examples that cannot be read: an error, or left out, counted and named."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

from simplug.api import DataError

_NAMED = 5


class UnreadableExampleWarning(UserWarning):
    """Examples were left out of a data set because they cannot be read."""


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
