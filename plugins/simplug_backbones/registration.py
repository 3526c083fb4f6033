"""The plugin object of this package: backbones whose names are those of another library."""

from __future__ import annotations

from collections.abc import Callable

from simplug.api import hookimpl


@hookimpl
def simplug_register_backbones(register: Callable[[str, type], None]) -> None:
    """Register every model of keras.applications under its name in lower case; Keras is not imported."""
    from simplug_backbones.applications import classes

    for name, cls in classes().items():
        register(name, cls)
