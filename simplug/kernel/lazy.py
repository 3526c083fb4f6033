"""Modules whose public names are loaded when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    module: str, places: Mapping[str, Iterable[str]], made: Mapping[str, Callable[[str], Any]] | None = None
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__all__``, ``__getattr__`` and ``__dir__`` of a module whose names cost nothing until they are used.

    Type checkers read the names from imports under ``TYPE_CHECKING``, and this assignment stands in the other branch,
    so that a misspelt name is an error for them, too.

    Args:
        module: The ``__name__`` of the module that offers the names.
        places: The names by the module that holds them; those under `module` itself are modules in it.
        made: Names that no module holds, each with the function that makes its value from the name.
    """
    place_of = {name: place for place, names in places.items() for name in names}
    made = made or {}
    public = sorted(name for name in (*place_of, *made) if not name.startswith("_"))

    def load(name: str) -> Any:
        if name in made:
            value = made[name](name)
        elif name not in place_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        elif place_of[name] == module:
            value = import_module(f"{module}.{name}")
        else:
            value = getattr(import_module(place_of[name]), name)
        setattr(sys.modules[module], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[module]), *public})

    return public, load, listed
