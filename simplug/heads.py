"""Every loss as a Keras layer, under the name of its class: ``simplug.heads.ArcFace(num_classes=10)``.

The layer is a :class:`simplug.Head`. What is installed is offered, so a loss of any plugin is here, too; a name that
two distributions hold is asked for as ``simplug.Head("dist:name")``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simplug.kernel.errors import did_you_mean
from simplug.kernel.registry import REGISTRIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from simplug.learn.head import Head


def _names() -> dict[str, str]:
    """Return the registered name of each loss by the name of its class; nothing is imported."""
    return {entry.target.rpartition(":")[2]: entry.name for entry in REGISTRIES["loss"].entries()}


def __getattr__(name: str) -> Callable[..., Head]:
    if name == "__all__":
        return __dir__()  # type: ignore[return-value]  # only ``from simplug.heads import *`` asks for it
    names = {} if name.startswith("_") else _names()
    if name not in names:
        raise AttributeError(f"no installed loss has a class {name!r}{did_you_mean(name, names)}")
    from simplug.learn.head import Head

    return partial(Head, names[name])


def __dir__() -> list[str]:
    return sorted(_names())
