"""Cross-validation over classes: each fold of classes is judged by a model that was trained on the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from simplug.api import Distance, Metric, Split
from simplug.evaluation.answers import in_order, of_task, score_among
from simplug.evaluation.retrieval import evaluate_retrieval
from simplug.experiment import folder as names
from simplug.experiment.config import RunConfig
from simplug.experiment.folder import RunFolder
from simplug.experiment.folds import Folds
from simplug.experiment.progress import Progress
from simplug.experiment.run import resolved
from simplug.experiment.training import train
from simplug.kernel.artifacts import providers_of, staged_folder, write_file, write_manifest
from simplug.kernel.toml import dumps

RESULT = "cross_validation.json"

LEVEL = 0.95
"""The level of the intervals."""


@attrs.frozen
class Fold:
    """One model, and what it is worth on classes that it has not met.

    Attributes:
        classes: The labels that it was not trained on, ascending.
        examples: How many examples of these classes it was scored on.
        scores: The scores by the label of the metric.
        history: One row an epoch of the training: epoch, loss, learning_rate, seconds.
        fit_seconds: How long training took, in seconds.
    """

    classes: tuple[int, ...]
    examples: int
    scores: Mapping[str, float]
    history: tuple[Mapping[str, float], ...]
    fit_seconds: float


@attrs.frozen
class Estimate:
    """A mean over folds.

    Attributes:
        mean: The mean.
        low: The lower end of its 95 % interval.
        high: The upper end.
    """

    mean: float
    low: float
    high: float


@attrs.frozen
class HeldOut:
    """Scores of classes that are in no fold, on the test split.

    Attributes:
        classes: Their labels, ascending.
        examples: How many examples were scored.
        separate: The models one by one.
        concatenated: Their embeddings of an example, each of length 1, one after the other as a single embedding.
    """

    classes: tuple[int, ...]
    examples: int
    separate: Mapping[str, Estimate]
    concatenated: Mapping[str, float]


@attrs.frozen
class CrossValidation:
    """What cross-validation came to.

    Attributes:
        folds: One a model.
        summary: The mean over the folds of each score that all of them have.
        test: Scores on the test split; None where it has no class that is in no fold.
    """

    folds: tuple[Fold, ...]
    summary: Mapping[str, Estimate]
    test: HeldOut | None

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return attrs.asdict(self)


def cross_validate(config: RunConfig, dealt: Folds, progress: Progress | None = None) -> CrossValidation:
    r"""Train a model for each fold on the classes of the others, and score it on the fold.

    A model is scored on all examples of its fold, each of them a query among the others. A score is reported with its
    mean over the folds and the interval

    .. math:: \bar{x} \pm t_{0.975,\, n - 1}\, s / \sqrt{n}

    of Student's t distribution for n folds with standard deviation s. Models share classes, so it is a guide, not a
    test. The models are then scored on the classes of the test split that none of them has met, one by one and with
    their embeddings concatenated.

    Musgrave, Belongie, Lim, "A Metric Learning Reality Check", ECCV 2020, section 3. There the classes are
    dealt out in their order; here they are shuffled with the seed of the config, since neighbouring labels are often
    alike.

    Args:
        config: The config of a run. Its model, loss, sampler and metrics are used, its gallery and calibration not.
        dealt: The examples, and the classes of each fold.
        progress: Hears how far it is.

    Raises:
        ConfigError: The loss cannot learn from these batches.
        DataError: The sampler cannot fill its batches from the classes that are left in training.
    """
    progress = progress or Progress()
    folds, embedded = [], []
    distance = config.index.distance
    for number, classes in enumerate(dealt.folds):
        inside = np.isin(dealt.examples.labels, classes)
        # A seed of its own for each model, so that the folds do not share the chance of one start.
        seeded = attrs.evolve(config, train=attrs.evolve(config.train, seed=(config.train.seed + number) % 2**32))
        steps = config.train.epochs * config.train.steps_per_epoch
        with progress.stage(f"fold {number + 1} of {len(dealt.folds)}", steps):
            trained = train(seeded, dealt.examples[~inside], progress)
            distance = distance or trained.model.distance
            judged = dealt.examples[inside]
            # TensorFlow notes that each model brings a graph of its own.
            with progress.noise():
                embeddings = trained.model.embed(judged.inputs)
                embedded.append(trained.model.embed(dealt.test.inputs))
            scores = _scores(embeddings, judged.labels, config, distance)
        folds.append(Fold(tuple(classes.tolist()), len(judged), scores, tuple(trained.history), trained.seconds))
    test = _held_out(embedded, dealt.test, config, distance) if distance and len(dealt.test) else None
    return CrossValidation(tuple(folds), estimates([fold.scores for fold in folds]), test)


def save(result: CrossValidation, config: RunConfig, folder: Path, *, overwrite: bool = False) -> None:
    """Write the result and the resolved config into a new folder.

    Raises:
        ArtifactError: The folder is taken, or cannot be written; nothing of it is left then.
    """
    RunFolder(folder).check_free(overwrite=overwrite)
    with staged_folder(folder, overwrite=folder.exists()) as staged:
        write_file(staged / names.CONFIG, dumps(resolved(config)).encode())
        text = json.dumps({**result.as_json(), "seed": config.train.seed}, indent=1, allow_nan=False)
        write_file(staged / RESULT, f"{text}\n".encode())
        write_manifest(staged, "cross_validation", {"folds": len(result.folds)}, providers_of(config))


def estimates(scores: Sequence[Mapping[str, float]]) -> dict[str, Estimate]:
    """Return the mean and the 95 % interval of each score that all folds have, at least two of them."""
    from scipy.stats import t

    factor = float(t.ppf((1 + LEVEL) / 2, len(scores) - 1)) / np.sqrt(len(scores))
    made = {}
    for label in scores[0]:
        if all(label in fold for fold in scores):
            column = np.array([fold[label] for fold in scores])
            mean, half = float(column.mean()), float(factor * column.std(ddof=1))
            made[label] = Estimate(mean, mean - half, mean + half)
    return made


def _scores(embeddings: np.ndarray, labels: np.ndarray, config: RunConfig, distance: Distance) -> dict[str, float]:
    metrics: Sequence[Metric] = config.evaluate.metrics
    made: list[Mapping[str, float]] = []
    retrieval = of_task(metrics, "retrieval")
    if retrieval and np.unique(labels, return_counts=True)[1].max() > 1:
        made.append(evaluate_retrieval(embeddings, labels, metrics=retrieval, distance=distance))
    made += score_among(embeddings, labels, metrics, distance=distance, seed=config.train.seed)
    return in_order(made, metrics)


def _held_out(embedded: Sequence[np.ndarray], test: Split, config: RunConfig, distance: Distance) -> HeldOut:
    concatenated = np.concatenate([_of_length_one(embeddings) for embeddings in embedded], axis=1)
    return HeldOut(
        classes=tuple(np.unique(test.labels).tolist()),
        examples=len(test),
        separate=estimates([_scores(embeddings, test.labels, config, distance) for embeddings in embedded]),
        concatenated=_scores(_of_length_one(concatenated), test.labels, config, distance),
    )


def _of_length_one(embeddings: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit: np.ndarray = embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
