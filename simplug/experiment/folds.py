"""Classes dealt out to folds, for cross-validation over classes."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import DataError, InvalidInputError, Split
from simplug.experiment.class_choice import choose_classes
from simplug.experiment.config import RunConfig
from simplug.experiment.selection import of_classes, with_test
from simplug.kernel.errors import ConfigError, Problem

_LEAST_CLASSES = 2
"""Classes in a fold: with one, every neighbour would be right."""

_FOLDS = 3
"""The stream of chance that deals the classes out."""


@attrs.frozen(eq=False)
class Folds:
    """Examples, and to which fold their classes belong.

    Attributes:
        examples: The examples of the train split whose classes are dealt out.
        folds: The labels of each fold, ascending.
        test: The examples of the test split whose classes are in no fold.
    """

    examples: Split
    folds: tuple[np.ndarray, ...]
    test: Split


def deal(config: RunConfig, folds: int) -> Folds:
    """Read the data of a config and deal its classes out to folds; the same config gives the same folds.

    The classes are those that a run of this config would train on.

    Raises:
        InvalidInputError: There are fewer than two folds.
        DataError: The data cannot be read, or there are fewer than two classes for each fold.
        ConfigError: A metric cannot be scored without a gallery.
    """
    if folds < 2:
        raise InvalidInputError(f"folds is {folds}; there are at least two: one is judged, the others are trained on")
    for metric in config.evaluate.metrics:
        if metric.task in {"open_set", "probe"}:
            mistake = f"{metric.label} asks for a gallery, and examples of a fold are looked up among each other"
            raise ConfigError([Problem("evaluate.metrics", mistake)])
    data = with_test(config.dataset.load(), config.split)
    test = data.splits["test"]
    classes = choose_classes(data, config).seen
    if len(classes) < _LEAST_CLASSES * folds:
        raise DataError(
            f"{len(classes)} classes are too few for {folds} folds: each has at least {_LEAST_CLASSES}, since among "
            f"examples of one class every neighbour is right; they are enough for {len(classes) // _LEAST_CLASSES}"
        )
    rng = np.random.default_rng([config.train.seed, _FOLDS])
    dealt = np.array_split(rng.permutation(classes), folds)
    return Folds(
        examples=of_classes(data.splits["train"], classes),
        folds=tuple(np.sort(fold) for fold in dealt),
        test=test[~np.isin(test.labels, classes)],
    )
