"""Which examples of a data set play which part in a run."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Data, DataError, Split
from simplug.experiment.config import RunConfig

_GALLERY, _CALIBRATION = 1, 2
"""Streams of chance, so that one choice does not move when another changes."""


@attrs.frozen(eq=False)
class Selection:
    """The examples of a run, by the part they play.

    Attributes:
        training: Of the train split, the classes that are trained on.
        gallery: Of the train split, what is indexed, of every class.
        calibration: Of the train split, what the cut point is chosen on; none of it is in the gallery.
        test: The test split: the queries.
        seen: The labels that are trained on, ascending.
        classes: All labels of the train split, ascending.
        class_names: The name of each label; the label itself where the data set has no names.
    """

    training: Split
    gallery: Split
    calibration: Split
    test: Split
    seen: np.ndarray
    classes: np.ndarray
    class_names: dict[int, str]

    @property
    def groups(self) -> dict[str, np.ndarray]:
        """Masks over the test split: all queries, and, where some classes are unseen, both kinds apart."""
        seen = np.isin(self.test.labels, self.seen)
        groups = {"all": np.ones(len(seen), dtype=bool)}
        if not seen.all():
            groups |= {"seen": seen, "unseen": ~seen}
        return {name: mask for name, mask in groups.items() if mask.any()}


def select(data: Data, config: RunConfig) -> Selection:
    """Choose the examples of a run; the same config and data give the same choice.

    Raises:
        DataError: A split is missing, a class to train on does not exist, or a class has too few examples.
    """
    train, test = _split(data, "train"), _split(data, "test")
    classes = np.unique(train.labels)
    seen = _seen(classes, config.split.train_classes)
    gallery = _per_class(train.labels, config.index.examples_per_class, config.train.seed)
    rest = np.setdiff1d(np.arange(len(train)), gallery)
    if not len(rest):
        raise DataError(
            f"the gallery takes all {len(train)} examples of the train split, which leaves none to calibrate on; "
            f"lower index.examples_per_class ({config.index.examples_per_class})"
        )
    rng = np.random.default_rng([config.train.seed, _CALIBRATION])
    calibration = np.sort(rng.permutation(rest)[: config.calibrate.examples])
    names = {int(label): data.class_names.get(int(label), str(label)) for label in classes}
    return Selection(
        training=train[np.isin(train.labels, seen)],
        gallery=train[gallery],
        calibration=train[calibration],
        test=test,
        seen=seen,
        classes=classes,
        class_names=names,
    )


def _split(data: Data, name: str) -> Split:
    split = data.splits.get(name)
    if split is None:
        raise DataError(f"the data set has no {name} split; it has: {', '.join(data.splits) or 'none'}")
    return split


def _seen(classes: np.ndarray, wanted: tuple[int, ...] | None) -> np.ndarray:
    if wanted is None:
        return classes
    missing = sorted(set(wanted) - set(classes.tolist()))
    if missing:
        raise DataError(
            f"split.train_classes names {', '.join(map(str, missing))}, and the train split has no such label; "
            f"it has: {', '.join(map(str, classes))}"
        )
    return np.array(sorted(set(wanted)), dtype=np.int64)


def _per_class(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, _GALLERY])
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < count:
            raise DataError(
                f"class {label} has {len(rows)} examples in the train split, and index.examples_per_class is {count}"
            )
        chosen.append(rng.permutation(rows)[:count])
    return np.sort(np.concatenate(chosen))
