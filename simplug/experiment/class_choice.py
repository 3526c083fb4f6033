"""Which classes are in the gallery of a run, and which of them it is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs
import numpy as np

from simplug.api import Data, DataError, Split
from simplug.experiment.config import RunConfig
from simplug.kernel.errors import did_you_mean

LISTED = 30
"""So many classes are listed where all would be too many to read."""

_CLASSES = 4
"""The stream of chance that draws classes to train on."""


@attrs.frozen(eq=False)
class ClassChoice:
    """The classes of a run.

    Attributes:
        known: The labels that the gallery is to have, ascending.
        seen: Those among them that are trained on, ascending.
    """

    known: np.ndarray
    seen: np.ndarray


def choose_classes(data: Data, config: RunConfig) -> ClassChoice:
    """Choose the classes of a run: those of the train split, as ``[split]`` and ``index.unknown_classes`` say.

    Args:
        data: A data set with a train and a test split.
        config: The config.

    Raises:
        DataError: A class or a group that the config names does not exist, nothing is left, or a class is in groups
            that are trained on and in others.
    """
    train, section = data.splits["train"], config.split
    present = np.unique(train.labels)
    every = np.union1d(present, np.unique(data.splits["test"].labels))
    unknown = _numbers("index.unknown_classes", config.index.unknown_classes, every, data.class_names, "label")
    known = np.setdiff1d(present, unknown)
    if not len(known):
        raise DataError("index.unknown_classes names every class of the train split, which leaves none to index")
    if section.train_classes is not None:
        return ClassChoice(known, _named_classes(section.train_classes, present, known, data))
    if section.train_groups is not None:
        return ClassChoice(known, _of_groups(section.train_groups, train, known, data))
    if section.train_fraction is not None:
        return ClassChoice(known, _share(section.train_fraction, known, section.seed))
    return ClassChoice(known, known)


def listed(values: Iterable[object]) -> str:
    """Return values with commas between them, and the number of those for which there is no room."""
    texts = [str(value) for value in values]
    more = f" and {len(texts) - LISTED} more" if len(texts) > LISTED else ""
    return ", ".join(texts[:LISTED]) + more


def _named_classes(wanted: Sequence[int | str], present: np.ndarray, known: np.ndarray, data: Data) -> np.ndarray:
    seen = _numbers("split.train_classes", wanted, present, data.class_names, "label")
    both = np.setdiff1d(seen, known)
    if len(both):
        raise DataError(
            f"split.train_classes names {_told(both, data.class_names)}, and so does index.unknown_classes: a class is "
            "met, or it is not"
        )
    return seen


def _of_groups(wanted: Sequence[int | str], train: Split, known: np.ndarray, data: Data) -> np.ndarray:
    if train.groups is None:
        raise DataError(
            "split.train_groups names groups, and the data set has none; a setting of the data set, such as a column "
            "of categories, says where they are"
        )
    groups = _numbers("split.train_groups", wanted, np.unique(train.groups), data.group_names, "group")
    inside = np.isin(train.groups, groups)
    classes = np.unique(train.labels[inside])
    both = np.intersect1d(classes, train.labels[~inside])
    if len(both):
        raise DataError(
            f"{len(both)} of {len(classes)} classes in the groups of split.train_groups have examples in other groups, "
            f"too: {_told(both, data.class_names)}; a class is trained on with all of its examples or not at all"
        )
    seen = np.intersect1d(classes, known)
    if not len(seen):
        raise DataError("index.unknown_classes names every class in the groups of split.train_groups")
    return seen


def _share(fraction: float, known: np.ndarray, seed: int) -> np.ndarray:
    count = round(fraction * len(known))
    if not 1 <= count < len(known):
        raise DataError(
            f"split.train_fraction is {fraction}, which of {len(known)} classes makes {count}; there should be classes "
            "to train on and others that are not"
        )
    return np.sort(np.random.default_rng([seed, _CLASSES]).permutation(known)[:count])


def _numbers(
    setting: str, named: Sequence[int | str], present: np.ndarray, names: Mapping[int, str], what: str
) -> np.ndarray:
    """Return the numbers that are named, by themselves or by the names of the data set, ascending.

    Raises:
        DataError: There is no such number or name.
    """
    by_name: dict[str, list[int]] = {}
    for number in present.tolist():
        if number in names:
            by_name.setdefault(names[number], []).append(number)
    numbers = set(present.tolist())
    missing = [one for one in named if one not in (by_name if isinstance(one, str) else numbers)]
    if missing:
        have = "the data have" if setting == "index.unknown_classes" else "the train split has"
        text = next((one for one in missing if isinstance(one, str)), None)
        if text is None:
            raise DataError(
                f"{setting} names {listed(missing)}, and {have} no such {what}; there are: {listed(present)}"
            )
        there = f"there are: {listed(by_name)}" if by_name else f"there are no names but numbers: {listed(present)}"
        raise DataError(f"{setting} names '{text}', and {have} no such name{did_you_mean(text, by_name)}; {there}")
    found = [number for one in named for number in (by_name[one] if isinstance(one, str) else [one])]
    return np.unique(np.array(found, dtype=np.int64))


def _told(labels: np.ndarray, names: Mapping[int, str]) -> str:
    return listed(names.get(label, str(label)) for label in labels.tolist())
