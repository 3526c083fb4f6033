"""What a misspelt name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHORTEST_PART = 3
"""Fewer characters are a part of many names by chance."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"``, or an empty text when none of the names is near."""
    found = nearest(name, list(names))
    return "" if found is None else f"; did you mean '{found}'?"


def nearest(name: str, names: list[str]) -> str | None:
    """Return the same name in other letters, else the one most alike, else one that it is a part of; else None."""
    folded = name.casefold()
    same = [one for one in names if one.casefold() == folded]
    alike = difflib.get_close_matches(name, names, n=1)
    longer = [one for one in names if folded in one.casefold()] if len(name) >= _SHORTEST_PART else []
    return next(iter([*same, *alike, *longer]), None)
