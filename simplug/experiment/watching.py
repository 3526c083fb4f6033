"""The watch for collapse over the training of a run."""

from __future__ import annotations

import numpy as np

from simplug.api import Split
from simplug.experiment.config import RunConfig
from simplug.learn.collapse import CollapseCallback

_WATCHED = 256
"""How many examples are embedded at the end of an epoch, which is to take a hundredth of its time or less."""

_EACH = 2
"""How many examples of a class make a positive pair."""


def watching(config: RunConfig, training: Split) -> list[CollapseCallback]:
    """Return the callback that watches a training for collapse, unless the config says not to.

    Args:
        config: The config.
        training: What the model that is trained takes, with the labels that it is trained on.
    """
    rows = watched_rows(training.labels, config.train.seed)
    if not config.train.watch_collapse or len(rows) < _EACH:
        return []
    # A loss between views is not to see labels, and neither is what judges it.
    labels = None if config.loss.compares == "views" else training.labels[rows]
    return [CollapseCallback(training.read(rows), labels)]


def watched_rows(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows of a few examples, as many of each class as there are; of many classes, some with two each."""
    rng = np.random.default_rng(seed)
    classes = np.unique(labels)
    each = max(_EACH, _WATCHED // len(classes))
    chosen = rng.permutation(classes)[: _WATCHED // each]
    shuffled = rng.permutation(len(labels))
    kept = shuffled[np.isin(labels[shuffled], chosen)]
    order = np.argsort(labels[kept], kind="stable")
    ordered = labels[kept][order]
    place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    return np.sort(kept[order][place < each])
