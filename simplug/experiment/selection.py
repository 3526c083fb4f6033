"""Which examples of a data set play which part in a run."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from simplug.api import Data, DataError, Metric, Split
from simplug.experiment.config import RunConfig

_GALLERY, _CALIBRATION = 1, 2
"""Streams of chance, so that one choice does not move when another changes."""


@attrs.frozen(eq=False)
class Selection:
    """The examples of a run, by the part they play.

    Attributes:
        training: Of the train split, the classes that are trained on.
        gallery: Of the train split, what is indexed, of every class.
        calibration: Of the train split, what the cut point is chosen on: of every class, those that the gallery does
            not know among them; none of it is in the gallery.
        test: The test split: the queries.
        seen: The labels that are trained on, ascending.
        known: The labels that the gallery has, ascending; the seen ones are among them.
        classes: All labels of both splits, ascending.
        class_names: The name of each label; the label itself where the data set has no names.
    """

    training: Split
    gallery: Split
    calibration: Split
    test: Split
    seen: np.ndarray
    known: np.ndarray
    classes: np.ndarray
    class_names: dict[int, str]

    @property
    def groups(self) -> dict[str, np.ndarray]:
        """Masks over the test split: all queries; and, unless every class was trained on, three kinds apart.

        Classes are seen in training, unseen but in the gallery, or unknown: not in the gallery either.
        """
        seen, known = np.isin(self.test.labels, self.seen), np.isin(self.test.labels, self.known)
        groups = {"all": np.ones(len(seen), dtype=bool)}
        if not seen.all():
            groups |= {"seen": seen, "unseen": known & ~seen, "unknown": ~known}
        return {name: mask for name, mask in groups.items() if mask.any()}

    def require_unknown(self, metrics: Sequence[Metric]) -> None:
        """Refuse metrics of open sets where every query is of a class that the gallery has.

        Raises:
            DataError: There is such a metric and no such query.
        """
        wanted = [metric.label for metric in metrics if metric.task == "open_set"]
        if wanted and np.isin(self.test.labels, self.known).all():
            raise DataError(
                f"{wanted[0]} scores how queries of unknown classes are told apart, and every class of the test split "
                "is in the gallery; leave some out of it with index.unknown_classes"
            )


def select(data: Data, config: RunConfig) -> Selection:
    """Choose the examples of a run; the same config and data give the same choice.

    Raises:
        DataError: A split is missing, a class that the config names does not exist, a class has too few examples, or a
            metric needs queries of unknown classes and there are none.
    """
    train, test = split_of(data, "train"), split_of(data, "test")
    known = known_classes(train, test, config.index.unknown_classes)
    seen = seen_classes(known, config.split.train_classes)
    gallery = _per_class(train.labels, known, config.index.examples_per_class, config.train.seed)
    rest = np.setdiff1d(np.arange(len(train)), gallery)
    if not len(rest):
        raise DataError(
            f"the gallery takes all {len(train)} examples of the train split, which leaves none to calibrate on; "
            f"lower index.examples_per_class ({config.index.examples_per_class})"
        )
    rng = np.random.default_rng([config.train.seed, _CALIBRATION])
    calibration = np.sort(rng.permutation(rest)[: config.calibrate.examples])
    classes = np.union1d(train.labels, test.labels)
    selection = Selection(
        training=train[np.isin(train.labels, seen)],
        gallery=train[gallery],
        calibration=train[calibration],
        test=test,
        seen=seen,
        known=known,
        classes=classes,
        class_names={int(label): data.class_names.get(int(label), str(label)) for label in classes},
    )
    selection.require_unknown(config.evaluate.metrics)
    return selection


def split_of(data: Data, name: str) -> Split:
    """Return a split of a data set.

    Raises:
        DataError: It has no such split.
    """
    split = data.splits.get(name)
    if split is None:
        raise DataError(f"the data set has no {name} split; it has: {', '.join(data.splits) or 'none'}")
    return split


def known_classes(train: Split, test: Split, unknown: tuple[int, ...]) -> np.ndarray:
    """Return the labels that the gallery is to have, ascending: those of the train split but the unknown ones.

    Raises:
        DataError: An unknown class does not exist, or nothing else does.
    """
    _require_labels("index.unknown_classes", unknown, np.union1d(train.labels, test.labels), "data have")
    known = np.setdiff1d(train.labels, np.array(unknown, dtype=np.int64))
    if not len(known):
        raise DataError("index.unknown_classes names every class of the train split, which leaves none to index")
    return known


def seen_classes(known: np.ndarray, wanted: tuple[int, ...] | None) -> np.ndarray:
    """Return the labels to train on, ascending: those that are wanted, or all that the gallery has.

    Raises:
        DataError: A wanted class does not exist.
    """
    if wanted is None:
        return known
    _require_labels("split.train_classes", wanted, known, "train split has")
    return np.array(sorted(set(wanted)), dtype=np.int64)


def _require_labels(setting: str, named: tuple[int, ...], labels: np.ndarray, who_has: str) -> None:
    missing = sorted(set(named) - set(labels.tolist()))
    if missing:
        raise DataError(
            f"{setting} names {', '.join(map(str, missing))}, and the {who_has} no such label; "
            f"there are: {', '.join(map(str, labels))}"
        )


def _per_class(labels: np.ndarray, classes: np.ndarray, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, _GALLERY])
    chosen = []
    for label in classes:
        rows = np.flatnonzero(labels == label)
        if len(rows) < count:
            raise DataError(
                f"class {label} has {len(rows)} examples in the train split, and index.examples_per_class is {count}"
            )
        chosen.append(rng.permutation(rows)[:count])
    return np.sort(np.concatenate(chosen))
