"""What becomes of examples that cannot be read: an error, or left out, counted and named."""

from __future__ import annotations

import warnings
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
    """

    def __init__(self, who: str, what: str, policy: Literal["error", "skip"]) -> None:
        self._who = who
        self._what = what
        self._is_strict = policy == "error"
        self._found: list[str] = []

    def add(self, where: object, reason: object) -> None:
        """Note one that cannot be read.

        Raises:
            DataError: Such examples are refused.
        """
        if self._is_strict:
            raise DataError(
                f'{self._who}: {where} cannot be read: {reason}\nset unreadable = "skip" to leave such {self._what} out'
            )
        self._found.append(f"{where}: {reason}")

    def warn(self, total: int, *, stacklevel: int) -> None:
        """Say how many examples of `total` were left out, and why the first of them were."""
        if not self._found:
            return
        more = len(self._found) - _NAMED
        warnings.warn(
            f"{self._who}: {len(self._found)} of {total} {self._what} cannot be read and are left out:\n  "
            + "\n  ".join(self._found[:_NAMED])
            + (f"\n  and {more} more" if more > 0 else ""),
            UnreadableExampleWarning,
            stacklevel=stacklevel + 1,
        )
