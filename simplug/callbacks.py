"""Callbacks for Keras: evaluation while a model is trained, and what TensorBoard shows of it.

Each is loaded when it is first asked for, as ``simplug.callbacks.EvaluationCallback``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simplug.learn.evaluation_callback import EvaluationCallback as EvaluationCallback
    from simplug.learn.tensorboard import NeighborPictures as NeighborPictures
    from simplug.learn.tensorboard import Projection as Projection

_MODULES = {
    "EvaluationCallback": "simplug.learn.evaluation_callback",
    "NeighborPictures": "simplug.learn.tensorboard",
    "Projection": "simplug.learn.tensorboard",
}
"""Where each callback comes from."""

__all__ = ["EvaluationCallback", "NeighborPictures", "Projection"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'simplug.callbacks' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
