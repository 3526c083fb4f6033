"""Which examples play which part in a run."""

import numpy as np
import pytest

from simplug.api import Data, DataError, Split
from simplug.experiment.config import RunConfig
from simplug.experiment.selection import select
from simplug.kernel.config import Report, structure


def config(**sections):
    report = Report()
    built = structure(RunConfig, {"dataset": "digits", **sections}, report)
    report.finish()
    return built


def data(per_class=30, classes=4, test_per_class=5):
    labels = np.repeat(np.arange(classes), per_class)
    test = np.repeat(np.arange(classes), test_per_class)
    return Data(
        {"train": Split(np.arange(len(labels))[:, None], labels), "test": Split(np.arange(len(test))[:, None], test)},
        {0: "zero", 1: "one", 2: "two", 3: "three"},
    )


def test_training_has_only_the_seen_classes_and_the_gallery_all():
    chosen = select(data(), config(split={"train_classes": [2, 0]}, index={"examples_per_class": 10}))
    assert set(chosen.training.labels) == {0, 2}
    assert len(chosen.training) == 60
    assert np.bincount(chosen.gallery.labels).tolist() == [10, 10, 10, 10]
    assert chosen.seen.tolist() == [0, 2]
    assert chosen.class_names[3] == "three"


def test_calibration_examples_are_not_in_the_gallery():
    chosen = select(data(), config(index={"examples_per_class": 10}, calibrate={"examples": 50}))
    assert len(chosen.calibration) == 50
    assert not set(chosen.calibration.inputs[:, 0]) & set(chosen.gallery.inputs[:, 0])


def test_the_choice_depends_on_the_seed_alone():
    first, again, other = (
        select(data(), config(index={"examples_per_class": 10}, train={"seed": seed})).gallery.inputs[:, 0].tolist()
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_queries_are_grouped_by_whether_training_saw_their_class():
    groups = select(data(), config(split={"train_classes": [1]})).groups
    assert {name: int(mask.sum()) for name, mask in groups.items()} == {"all": 20, "seen": 5, "unseen": 15}
    assert list(select(data(), config()).groups) == ["all"]


@pytest.mark.parametrize(
    ("given", "sections", "message"),
    [
        (data(), {"split": {"train_classes": [1, 9]}}, "split.train_classes names 9, and the train split has no such"),
        (data(per_class=12), {}, "class 0 has 12 examples in the train split, and index.examples_per_class is 20"),
        (data(per_class=20), {}, "leaves none to calibrate on"),
        (Data({"train": data().splits["train"]}), {}, "the data set has no test split; it has: train"),
    ],
)
def test_data_that_cannot_be_used_is_refused(given, sections, message):
    with pytest.raises(DataError, match=message.replace(".", r"\.")):
        select(given, config(**sections))


def test_labels_of_another_length_are_refused():
    with pytest.raises(DataError, match="3 examples but labels of shape"):
        Split(np.zeros((3, 2)), np.zeros(4, dtype=int))
