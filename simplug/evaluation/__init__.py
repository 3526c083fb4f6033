"""Evaluation: scores and cut points from embeddings, labels and neighbours alone.

Each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simplug.evaluation.clustering import evaluate_clustering as evaluate_clustering
    from simplug.evaluation.embeddings import evaluate_embeddings as evaluate_embeddings
    from simplug.evaluation.open_set import evaluate_open_set as evaluate_open_set
    from simplug.evaluation.pair_calibration import calibrate_pairs as calibrate_pairs
    from simplug.evaluation.pairs import count_pairs as count_pairs
    from simplug.evaluation.pairs import summarize_pairs as summarize_pairs
    from simplug.evaluation.ranked import score_retrieval as score_retrieval
    from simplug.evaluation.retrieval import evaluate_retrieval as evaluate_retrieval
    from simplug.evaluation.scores import RetrievalScores as RetrievalScores
    from simplug.evaluation.scores import Scores as Scores
    from simplug.evaluation.verification import VerificationScores as VerificationScores
    from simplug.evaluation.verification import evaluate_verification as evaluate_verification

_MODULES = {
    "RetrievalScores": "simplug.evaluation.scores",
    "Scores": "simplug.evaluation.scores",
    "VerificationScores": "simplug.evaluation.verification",
    "calibrate_pairs": "simplug.evaluation.pair_calibration",
    "count_pairs": "simplug.evaluation.pairs",
    "evaluate_clustering": "simplug.evaluation.clustering",
    "evaluate_embeddings": "simplug.evaluation.embeddings",
    "evaluate_open_set": "simplug.evaluation.open_set",
    "evaluate_retrieval": "simplug.evaluation.retrieval",
    "evaluate_verification": "simplug.evaluation.verification",
    "score_retrieval": "simplug.evaluation.ranked",
    "summarize_pairs": "simplug.evaluation.pairs",
}
"""Where each public name comes from."""

__all__ = [
    "RetrievalScores",
    "Scores",
    "VerificationScores",
    "calibrate_pairs",
    "count_pairs",
    "evaluate_clustering",
    "evaluate_embeddings",
    "evaluate_open_set",
    "evaluate_retrieval",
    "evaluate_verification",
    "score_retrieval",
    "summarize_pairs",
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
