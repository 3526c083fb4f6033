"""Evaluation: scores and cut points from embeddings, labels and neighbours alone.

Each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simplug.evaluation.clustering import evaluate_clustering as evaluate_clustering
    from simplug.evaluation.embeddings import evaluate_embeddings as evaluate_embeddings
    from simplug.evaluation.episodes import EpisodeScores as EpisodeScores
    from simplug.evaluation.episodes import evaluate_episodes as evaluate_episodes
    from simplug.evaluation.open_set import evaluate_open_set as evaluate_open_set
    from simplug.evaluation.pair_calibration import calibrate_pairs as calibrate_pairs
    from simplug.evaluation.pairs import count_pairs as count_pairs
    from simplug.evaluation.pairs import summarize_pairs as summarize_pairs
    from simplug.evaluation.probes import evaluate_probe as evaluate_probe
    from simplug.evaluation.ranked import score_retrieval as score_retrieval
    from simplug.evaluation.retrieval import evaluate_retrieval as evaluate_retrieval
    from simplug.evaluation.scores import QueryScores as QueryScores
    from simplug.evaluation.scores import RetrievalScores as RetrievalScores
    from simplug.evaluation.scores import Scores as Scores
    from simplug.evaluation.verification import VerificationScores as VerificationScores
    from simplug.evaluation.verification import evaluate_verification as evaluate_verification
else:
    from simplug.kernel.lazy import lazy_names

    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "simplug.evaluation.clustering": ["evaluate_clustering"],
            "simplug.evaluation.embeddings": ["evaluate_embeddings"],
            "simplug.evaluation.episodes": ["EpisodeScores", "evaluate_episodes"],
            "simplug.evaluation.open_set": ["evaluate_open_set"],
            "simplug.evaluation.pair_calibration": ["calibrate_pairs"],
            "simplug.evaluation.pairs": ["count_pairs", "summarize_pairs"],
            "simplug.evaluation.probes": ["evaluate_probe"],
            "simplug.evaluation.ranked": ["score_retrieval"],
            "simplug.evaluation.retrieval": ["evaluate_retrieval"],
            "simplug.evaluation.scores": ["QueryScores", "RetrievalScores", "Scores"],
            "simplug.evaluation.verification": ["VerificationScores", "evaluate_verification"],
        },
    )
