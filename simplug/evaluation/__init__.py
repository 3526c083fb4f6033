"""Evaluation: scores and cut points from embeddings, labels and neighbours alone.

Each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simplug.evaluation.scores import RetrievalScores as RetrievalScores
    from simplug.evaluation.scores import Scores as Scores

_MODULES = {
    "RetrievalScores": "simplug.evaluation.scores",
    "Scores": "simplug.evaluation.scores",
}
"""Where each public name comes from."""

__all__ = [
    "RetrievalScores",
    "Scores",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'simplug.evaluation' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
