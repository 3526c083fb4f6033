"""Scores of a run while it is trained, and what follows from them."""

from __future__ import annotations

import keras
import numpy as np

from simplug.experiment.config import EarlyStoppingSection, RunConfig, scored_in_training, scores_in_training
from simplug.experiment.following import name_in_logs
from simplug.experiment.selection import Selection
from simplug.kernel.errors import ConfigError, Problem
from simplug.learn.early_stopping import EarlyStopping
from simplug.learn.evaluation_callback import EvaluationCallback


def scoring(config: RunConfig, selection: Selection) -> list[keras.callbacks.Callback]:
    """Return the callbacks that score a training on the way, and end it early, as far as the config asks for it.

    Their queries are the examples of the calibration, so that the test split is met once, when all is done.

    Raises:
        ConfigError: Early stopping asks for classes apart, and every class is trained on.
    """
    section, queries = config.evaluate, selection.calibration
    metrics = scored_in_training(section)
    if not section.every_epochs or not metrics:
        return []
    all_seen = bool(np.isin(queries.labels, selection.seen).all())
    scores = EvaluationCallback(
        queries.inputs,
        queries.labels,
        selection.gallery.inputs,
        selection.gallery.labels,
        metrics,
        known_classes=None if all_seen else selection.seen,
        every=section.every_epochs,
        distance=config.index.distance or "auto",
    )
    early = config.train.early_stopping
    return [scores] if early is None else [scores, _stopping(early, config, all_seen)]


def _stopping(section: EarlyStoppingSection, config: RunConfig, all_seen: bool) -> EarlyStopping:
    name = section.metric
    if all_seen and name.startswith(("val_seen_", "val_unseen_")):
        mistake = f"is '{name}', and the examples of the calibration are all of classes that are trained on"
        plain = f"val_{name.removeprefix('val_seen_').removeprefix('val_unseen_')}"
        raise ConfigError([Problem("train.early_stopping.metric", f"{mistake}; take '{plain}', or leave classes out")])
    return EarlyStopping(
        name_in_logs(name),
        name=name,
        maximize=scores_in_training(config.evaluate)[name].maximize,
        patience=section.patience,
        min_delta=section.min_delta,
        restore_best=section.restore_best,
    )
