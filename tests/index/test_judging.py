"""Calibration, matching and evaluation on the records of an index."""

import numpy as np
import pytest

from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError


def clusters(seed, per_class=10, classes=4):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    centres = np.eye(classes, 8)
    return (centres[labels] + 0.05 * rng.normal(size=(len(labels), 8))).astype(np.float32), labels


@pytest.fixture
def index(tmp_path, pair):
    gallery, labels = clusters(0)
    with Index.create(tmp_path / "index", dim=8, **pair) as made:
        made.add(gallery, labels=labels)
        yield made


def test_queries_near_the_gallery_match_and_others_are_unknown(index):
    queries, labels = clusters(1)
    strangers = np.tile(np.eye(8, dtype=np.float32)[6], (5, 1))
    index.calibrate(np.concatenate([queries, strangers]), np.concatenate([labels, np.full(5, 77)]))
    assert index.match(queries).tolist() == labels.tolist()
    assert index.match(strangers, no_match_label=-5).tolist() == [-5] * 5
    every = index.match(queries, cutpoint="all")
    assert list(every) == ["optimal"]


def test_a_target_is_a_cut_point(index):
    queries, labels = clusters(1)
    calibration = index.calibrate(
        queries, labels, targets={"strict": {"precision": 0.99}}, k=3, matcher="majority_vote"
    )
    assert set(calibration.cut_points) == {"optimal", "strict"}
    assert calibration.k == 3
    assert set(index.evaluate_classification(queries, labels)) == {"optimal", "strict"}
    assert index.evaluate_classification(queries, labels, ["recall"], cutpoints=["strict"])["strict"]["recall"] == 1.0


def test_matching_without_a_calibration_is_refused(index):
    with pytest.raises(InvalidInputError, match="not calibrated"):
        index.match(np.ones((1, 8)))


def test_matching_after_a_change_is_refused(index):
    queries, labels = clusters(1)
    index.calibrate(queries, labels)
    assert index.stats()["calibrated"]
    index.remove([0])
    assert index.calibration is None
    with pytest.raises(InvalidInputError, match="has changed since it was calibrated"):
        index.match(queries)


def test_an_unknown_cut_point_is_refused(index):
    queries, labels = clusters(1)
    index.calibrate(queries, labels)
    with pytest.raises(InvalidInputError, match="no cut point 'optimum'; did you mean 'optimal'"):
        index.match(queries, cutpoint="optimum")


def test_a_calibration_is_saved_with_the_index_and_its_copy(tmp_path, index):
    queries, labels = clusters(1)
    made = index.calibrate(queries, labels)
    index.save(tmp_path / "copy")
    matched, path = index.match(queries), index.path
    index.close()
    for place in (path, tmp_path / "copy"):
        with Index.open(place, readonly=True) as again:
            assert again.calibration.cut_points == made.cut_points
            assert again.match(queries).tolist() == matched.tolist()


def test_a_damaged_calibration_is_told_when_it_is_needed(index):
    queries, labels = clusters(1)
    index.calibrate(queries, labels)
    path = index.path
    index.close()
    file = path / "calibration.json"
    text = file.read_text()
    digit = text.index("distance", text.index("cut_points")) + 20
    file.write_text(text[:digit] + ("1" if text[digit] != "1" else "2") + text[digit + 1 :])
    with Index.open(path) as again:
        assert len(again) == 40
        with pytest.raises(ArtifactError, match="calibration"):
            again.match(queries)
        again.calibrate(queries, labels)
        again.match(queries)


def test_retrieval_scores_are_perfect_for_separate_clusters(index):
    queries, labels = clusters(1)
    scores = index.evaluate_retrieval(queries, labels, ["recall@1", "map@r"])
    assert scores == {"recall@1": 1.0, "map@r": 1.0}


def test_a_query_that_is_a_record_does_not_find_itself(vectors):
    with Index.create(None, dim=8) as index:
        labels = np.arange(len(vectors)) // 2
        ids = index.add(vectors, labels=labels)
        with_itself = index.evaluate_retrieval(vectors, labels, ["recall@1"])
        alone = index.evaluate_retrieval(vectors, labels, ["recall@1"], query_ids=ids)
        measured = 1 - (unit := vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ unit.T
        np.fill_diagonal(measured, np.inf)
        expected = np.mean(labels[measured.argmin(axis=1)] == labels)
    assert with_itself["recall@1"] == 1.0
    assert alone["recall@1"] == pytest.approx(expected)


def test_identical_records_are_told_apart_by_id_not_by_place():
    with Index.create(None, dim=2) as index:
        index.add([[1, 0], [1, 0], [1, 0]], labels=[1, 2, 2])
        scores = index.evaluate_retrieval([[1, 0]], [2], ["recall@1", "recall@2"], query_ids=[1])
    # Without record 1 itself, the first of its twins is record 0, of another class, and record 2 comes second.
    assert scores == {"recall@1": 0.0, "recall@2": 1.0}


def test_labels_that_mean_no_label_are_refused(index):
    queries, labels = clusters(1)
    labels = labels.copy()
    labels[3] = -1
    for call in (index.calibrate, index.evaluate_retrieval, index.evaluate_classification):
        with pytest.raises(InvalidInputError, match=r"labels\[3\] is -1"):
            call(queries, labels)
        with pytest.raises(InvalidInputError, match="labels is None"):
            call(queries, None)


def test_unknown_query_ids_are_refused(index):
    with pytest.raises(InvalidInputError, match="query_ids holds 999"):
        index.evaluate_retrieval(np.ones((1, 8)), [1], query_ids=[999])
