"""Which examples of a data set play which part in a run."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from simplug.api import Data, DataError, Metric, Split
from simplug.api.holding_out import held_out, rows_by_class
from simplug.experiment.class_choice import choose_classes
from simplug.experiment.config import RunConfig, SplitSection

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
        group_names: The name of each group, where the data set has names.
    """

    training: Split
    gallery: Split
    calibration: Split
    test: Split
    seen: np.ndarray
    known: np.ndarray
    classes: np.ndarray
    class_names: dict[int, str]
    group_names: dict[int, str] = attrs.field(factory=dict)

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

    def require_queries(self, metrics: Sequence[Metric]) -> None:
        """Refuse metrics for which there is no query: of a class that the gallery has, or of one that it has not.

        Raises:
            DataError: There is such a metric and no such query; or there is a probe, and the gallery has one class.
        """
        is_known = np.isin(self.test.labels, self.known)
        wanted = [metric.label for metric in metrics if metric.task in ("retrieval", "probe")]
        if wanted and not is_known.any():
            test = ", ".join(self.class_names[label] for label in np.unique(self.test.labels).tolist()[:5])
            raise DataError(
                f"{wanted[0]} scores queries by records of their class, and the gallery has none of the classes of the "
                f"test split, such as {test}; test on other examples of the classes of the train split, too"
            )
        wanted = [metric.label for metric in metrics if metric.task == "probe"]
        if wanted and len(self.known) < 2:
            raise DataError(f"{wanted[0]} learns to tell the classes of the gallery apart, and it has a single one")
        wanted = [metric.label for metric in metrics if metric.task == "open_set"]
        if wanted and is_known.all():
            raise DataError(
                f"{wanted[0]} scores how queries of unknown classes are told apart, and every class of the test split "
                "is in the gallery; leave some out of it with index.unknown_classes"
            )


def select(data: Data, config: RunConfig) -> Selection:
    """Choose the examples of a run; the same config and data give the same choice.

    Raises:
        DataError: There is no test split, a class or a group that the config names does not exist, a class has too few
            examples, or a metric needs queries of unknown classes and there are none.
    """
    data = with_test(data, config.split)
    train, test = data.splits["train"], data.splits["test"]
    chosen = choose_classes(data, config)
    known, seen = chosen.known, chosen.seen
    gallery = _per_class(train.labels, known, config.index.examples_per_class, config.train.seed)
    in_gallery = np.zeros(len(train), dtype=bool)
    in_gallery[gallery] = True
    if in_gallery.all():
        raise DataError(
            f"the gallery takes all {len(train)} examples of the train split, which leaves none to calibrate on; "
            f"lower index.examples_per_class ({config.index.examples_per_class})"
        )
    rng = np.random.default_rng([config.train.seed, _CALIBRATION])
    calibration = np.sort(rng.permutation(np.flatnonzero(~in_gallery))[: config.calibrate.examples])
    classes = np.union1d(np.unique(train.labels), np.unique(test.labels))
    selection = Selection(
        training=of_classes(train, seen),
        gallery=train[gallery],
        calibration=train[calibration],
        test=test,
        seen=seen,
        known=known,
        classes=classes,
        class_names={label: data.class_names.get(label, str(label)) for label in classes.tolist()},
        group_names=dict(data.group_names),
    )
    selection.require_queries(config.evaluate.metrics)
    return selection


def with_test(data: Data, section: SplitSection) -> Data:
    """Return the data with a test split: their own, or the share of each class that the config holds out.

    Raises:
        DataError: There is none and nothing is to be held out, there is one and something is, or each class has only
            one example.
    """
    fraction, train = section.test_fraction, data.splits["train"]
    if "test" in data.splits:
        if fraction is not None:
            raise DataError(
                f"split.test_fraction is {fraction}, and the data set has a test split of its own, of "
                f"{len(data.splits['test'])} examples; leave it out"
            )
        return data
    if fraction is None:
        raise DataError(
            f"the data set has no test split; it has: {', '.join(data.splits)}; split.test_fraction = 0.25 holds out a "
            "quarter of each class"
        )
    mask = held_out(train.labels, fraction, section.seed)
    if not mask.any():
        raise DataError("split.test_fraction leaves an example of each class to train on, and no class has a second")
    return attrs.evolve(data, splits={**data.splits, "train": train[~mask], "test": train[mask]})


def of_classes(split: Split, labels: np.ndarray) -> Split:
    """Return the examples of some classes; the split itself, and no copy, if they are all."""
    inside = np.isin(split.labels, labels)
    return split if inside.all() else split[inside]


def _per_class(labels: np.ndarray, classes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the rows of `count` examples of each class, ascending."""
    rng = np.random.default_rng([seed, _GALLERY])
    present, wanted = np.flatnonzero(np.isin(labels, classes)), []
    for places in rows_by_class(labels[present]):
        rows = present[places]
        if len(rows) < count:
            raise DataError(
                f"class {labels[rows[0]]} has {len(rows)} examples in the train split, and index.examples_per_class is "
                f"{count}"
            )
        wanted.append(rng.permutation(rows)[:count])
    return np.sort(np.concatenate(wanted))
