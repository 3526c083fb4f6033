"""The evaluation stage, on an index with embeddings that are known."""

import json

import attrs
import numpy as np
import pytest

import simplug
from simplug.api import DataError, Split
from simplug.evaluation import evaluate_probe
from simplug.experiment.scores import as_json, evaluate, score_table
from simplug.experiment.selection import Selection
from simplug.kernel.errors import InvalidInputError

RETRIEVAL = ("precision@1", "map@r")


def points(labels, spread, seed):
    """Return embeddings around a corner for each label."""
    rng = np.random.default_rng(seed)
    labels = np.asarray(labels)
    return (np.eye(5)[labels] + spread * rng.normal(size=(len(labels), 5))).astype("float32"), labels


TEST = points(np.arange(60) % 5, 0.25, 1)
GALLERY = points(np.arange(40) % 4, 0.25, 2)


@pytest.fixture
def selection():
    """Trained on 0, 1 and 2; 3 is in the gallery alone; 4 is unknown."""
    test, gallery = Split(*TEST), Split(*GALLERY)
    return Selection(
        gallery,
        gallery,
        test,
        test,
        np.arange(3),
        np.arange(4),
        np.arange(5),
        {label: str(label) for label in range(5)},
    )


@pytest.fixture
def index():
    with simplug.Index.create(None, dim=5, search="exact", store="memory") as made:
        made.add(GALLERY[0], labels=GALLERY[1])
        made.calibrate(*TEST)
        yield made


def build(*names):
    return [simplug.metrics.build(name) for name in names]


def test_three_groups_are_scored_apart(index, selection):
    found = evaluate(index, TEST[0], selection, build(*RETRIEVAL, "roc_auc", "unknown_auroc"))
    assert list(found.groups) == ["all", "seen", "unseen", "unknown"]
    assert [group["queries"] for group in found.groups.values()] == [60, 36, 12, 12]
    known = TEST[1] < 4
    expected = index.evaluate_retrieval(TEST[0][known], TEST[1][known], ["map@r"])
    assert found.groups["all"]["map@r"] == pytest.approx(expected["map@r"])
    assert list(found.groups["unknown"]) == ["queries", "matching_accuracy", "unknown"]
    assert "roc_auc" not in found.groups["unseen"]
    assert "unknown_auroc" in found.groups["all"]


def test_an_unknown_query_is_right_when_it_is_called_unknown(index, selection):
    found = evaluate(index, TEST[0], selection, build("precision@1"))
    matched = index.match(TEST[0])
    right = np.where(TEST[1] < 4, matched == TEST[1], matched == -1)
    assert found.groups["all"]["matching_accuracy"] == right.mean()
    assert found.groups["unknown"]["matching_accuracy"] == found.groups["unknown"]["unknown"] > 0
    assert found.confusion[4, 5] == (matched[TEST[1] == 4] == -1).sum()


def test_each_class_has_its_scores(index, selection):
    found = evaluate(index, TEST[0], selection, build(*RETRIEVAL))
    assert list(found.per_class) == [0, 1, 2, 3, 4]
    of_class = TEST[1] == 3
    expected = index.evaluate_retrieval(TEST[0][of_class], TEST[1][of_class], ["map@r"])
    assert found.per_class[3]["map@r"] == pytest.approx(expected["map@r"])
    assert found.per_class[3]["queries"] == 12
    assert list(found.per_class[4]) == ["queries", "matching_accuracy", "unknown"]


def test_intervals_hold_the_scores_and_the_seed_makes_them_again(index, selection):
    metrics = build(*RETRIEVAL, "roc_auc", "effective_rank", "ami")
    first, again, other = (
        evaluate(index, TEST[0], selection, metrics, resamples=200, seed=seed).intervals for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    groups = evaluate(index, TEST[0], selection, metrics).groups
    assert list(first["all"]) == [*RETRIEVAL, "roc_auc", "matching_accuracy", "unknown"]
    for group, intervals in first.items():
        for label, (low, high) in intervals.items():
            assert low <= groups[group][label] <= high


def test_pairs_and_distances_are_kept_for_pictures(index, selection):
    with_counts = evaluate(index, TEST[0], selection, build("roc_auc"))
    without = evaluate(index, TEST[0], selection, build("precision@1"))
    same = int(sum(n * (n - 1) // 2 for n in np.bincount(TEST[1])))
    for found in (with_counts, without):
        assert found.pairs.all_positives == same
        assert found.pairs.all_negatives == 60 * 59 // 2 - same
    np.testing.assert_array_equal(without.distances, index.matches(TEST[0])[1])
    np.testing.assert_array_equal(without.embeddings, TEST[0])


def test_probes_learn_from_the_gallery_and_have_intervals(index, selection):
    found = evaluate(index, TEST[0], selection, build("linear_probe", "knn_probe"), resamples=50)
    expected = evaluate_probe(TEST[0], TEST[1], *GALLERY).of(TEST[1] < 3)
    for label, value in expected.items():
        assert found.groups["seen"][label] == value
        low, high = found.intervals["seen"][label]
        assert low <= value <= high
    assert found.per_class[3]["knn_probe"] == found.groups["unseen"]["knn_probe"]
    assert "linear_probe" not in found.groups["unknown"]


def test_a_test_split_of_one_class_has_no_pairs(index, selection):
    one = TEST[1] == 0
    single = Selection(
        selection.training, selection.gallery, selection.calibration, Split(TEST[0][one], TEST[1][one]),
        selection.seen, selection.known, selection.classes, selection.class_names,
    )  # fmt: skip
    found = evaluate(index, TEST[0][one], single, build("precision@1", "roc_auc"))
    assert found.pairs is None
    assert "roc_auc" not in found.groups["all"]


def test_open_sets_without_an_unknown_class_are_refused(index, selection):
    known = TEST[1] < 4
    closed = Selection(
        selection.training, selection.gallery, selection.calibration, Split(TEST[0][known], TEST[1][known]),
        selection.seen, selection.known, selection.classes, selection.class_names,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"unknown_auroc scores how queries of unknown .* index\.unknown_classes"):
        evaluate(index, TEST[0][known], closed, build("unknown_auroc"))


def test_a_probe_of_a_gallery_of_one_class_is_refused(index, selection):
    single = attrs.evolve(selection, known=np.array([2]))
    with pytest.raises(DataError, match="knn_probe learns to tell the classes of the gallery apart, and it has a sing"):
        evaluate(index, TEST[0], single, build("knn_probe"))


def test_an_index_that_is_not_calibrated_is_refused(index, selection):
    index.remove([0])
    with pytest.raises(InvalidInputError, match="calibrate again"):
        evaluate(index, TEST[0], selection, build("precision@1"))


def test_the_scores_are_plain_json(index, selection):
    found = evaluate(index, TEST[0], selection, build(*RETRIEVAL, "roc_auc"), resamples=50)
    read = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert read["per_class"]["4"]["queries"] == 12
    assert read["intervals"]["all"]["map@r"] == list(found.intervals["all"]["map@r"])


def test_the_table_has_a_column_a_group_and_dashes_for_what_is_not_there():
    groups = {
        "all": {"queries": 9, "map@r": 0.5, "unknown": 0.25},
        "unknown": {"queries": 3, "unknown": 1.0},
    }
    head, rows = score_table(groups, {"all": {"map@r": (0.4, 0.612)}})
    assert head == ["queries of", "all classes", "unknown classes"]
    assert rows == [
        ["queries", "9", "3"],
        ["map@r", "0.500 (0.40-0.61)", "-"],
        ["unknown", "0.250", "1.000"],
    ]
