"""Numbers that tell how the space of some embeddings looks: whether classes part, whether it collapses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simplug.api.distance import Distance
from simplug.api.metric import TrainingMetric
from simplug.evaluation.checking import built_metrics, embeddings_of
from simplug.evaluation.pairs import summarize_pairs
from simplug.evaluation.scores import Scores
from simplug.kernel.registry import registry_of


def evaluate_embeddings(
    embeddings: Any,
    labels: Any,
    metrics: Sequence[Any] = (
        "mean_positive_distance",
        "mean_negative_distance",
        "embedding_spread",
        "effective_rank",
    ),
    distance: str | dict[str, Any] | Distance = "cosine",
) -> Scores:
    """Return numbers about the space of some embeddings.

    Distances are those of all pairs of two examples, measured block after block.

    Args:
        embeddings: (n, d) finite numbers.
        labels: (n,) integer labels.
        metrics: Training metrics, by name such as ``"effective_rank"``, as tables or instances.
        distance: How far two examples are apart.

    Returns:
        The number of each metric by its label; they have no intervals.

    Raises:
        InvalidInputError: The arrays are unusable or do not fit together, there are fewer than two examples, or a
            metric has another task.
    """
    built = built_metrics(metrics, TrainingMetric)
    measured = registry_of("distance").build(distance)
    summary = summarize_pairs(embeddings, labels, distance=measured)
    vectors = embeddings_of("embeddings", embeddings, measured)
    return Scores({label: metric.score(vectors, summary) for label, metric in built.items()})
