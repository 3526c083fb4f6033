"""Which examples play which part in a run."""

import numpy as np
import pytest

from simplug.api import Data, DataError, Split
from simplug.experiment.config import RunConfig
from simplug.experiment.selection import select
from simplug.kernel.config import Report, structure
from simplug.kernel.errors import ConfigError


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


def test_an_unknown_class_is_neither_trained_on_nor_indexed_and_helps_to_calibrate():
    chosen = select(data(), config(index={"examples_per_class": 10, "unknown_classes": [3, 1]}))
    assert chosen.seen.tolist() == chosen.known.tolist() == [0, 2]
    assert set(chosen.training.labels) == set(chosen.gallery.labels) == {0, 2}
    assert set(chosen.calibration.labels) == {0, 1, 2, 3}
    sizes = {name: int(mask.sum()) for name, mask in chosen.groups.items()}
    assert sizes == {"all": 20, "seen": 10, "unknown": 10}


def test_seen_unseen_and_unknown_queries_are_three_groups():
    chosen = select(data(), config(split={"train_classes": [0, 1]}, index={"unknown_classes": [3]}))
    assert chosen.known.tolist() == [0, 1, 2]
    masks = chosen.groups
    assert {name: set(chosen.test.labels[mask].tolist()) for name, mask in masks.items()} == {
        "all": {0, 1, 2, 3},
        "seen": {0, 1},
        "unseen": {2},
        "unknown": {3},
    }


def test_a_class_of_the_test_split_alone_is_unknown():
    splits = data(classes=3).splits
    chosen = select(Data({"train": splits["train"], "test": data().splits["test"]}, {}), config())
    assert chosen.classes.tolist() == [0, 1, 2, 3]
    assert chosen.known.tolist() == [0, 1, 2]
    assert set(chosen.test.labels[chosen.groups["unknown"]]) == {3}
    assert chosen.class_names[3] == "3"


def test_a_class_cannot_be_trained_on_and_unknown():
    with pytest.raises(ConfigError, match=r"index\.unknown_classes: names 1, and so does split\.train_classes"):
        config(split={"train_classes": [1, 2]}, index={"unknown_classes": [1, 3]})


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["precision@1", "f1"], r"evaluate\.metrics: f1 scores decisions at a cut point, and is reported with those"),
        ([], r"evaluate\.metrics: is empty; name at least one"),
    ],
)
def test_metrics_that_no_test_split_can_be_scored_by_are_refused(metrics, message):
    with pytest.raises(ConfigError, match=message):
        config(evaluate={"metrics": metrics})


def test_calibration_takes_classification_metrics_alone():
    with pytest.raises(ConfigError, match="metric takes a classification metric, and map@r scores retrieval"):
        config(calibrate={"metric": "map@r"})


@pytest.mark.parametrize(
    ("given", "sections", "message"),
    [
        (data(), {"split": {"train_classes": [1, 9]}}, "split.train_classes names 9, and the train split has no such"),
        (data(per_class=12), {}, "class 0 has 12 examples in the train split, and index.examples_per_class is 20"),
        (data(per_class=20), {}, "leaves none to calibrate on"),
        (
            data(),
            {"index": {"unknown_classes": [3, 8]}},
            "index.unknown_classes names 8, and the data have no such label",
        ),
        (data(), {"index": {"unknown_classes": [0, 1, 2, 3]}}, "names every class of the train split"),
        (Data({"train": data().splits["train"]}), {}, "the data set has no test split; it has: train"),
        (
            Data({"train": data().splits["train"], "test": Split(np.zeros((4, 1)), [7, 7, 9, 9])}),
            {},
            "precision@1 scores queries by records of their class, and the gallery has none of the classes of the test "
            "split, such as 7, 9",
        ),
    ],
)
def test_data_that_cannot_be_used_is_refused(given, sections, message):
    with pytest.raises(DataError, match=message.replace(".", r"\.")):
        select(given, config(**sections))


def test_labels_of_another_length_are_refused():
    with pytest.raises(DataError, match="3 examples but labels of shape"):
        Split(np.zeros((3, 2)), np.zeros(4, dtype=int))
