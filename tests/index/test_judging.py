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


def test_an_empty_index_is_not_calibrated():
    queries, labels = clusters(1)
    with Index.create(None, dim=8) as index, pytest.raises(InvalidInputError, match="the index is empty"):
        index.calibrate(queries, labels)


@pytest.mark.parametrize("matcher", ["majority_vote", "distance_weighted_vote", "prototype"])
def test_more_neighbours_than_records_are_as_many_as_there_are(index, matcher):
    queries, labels = clusters(1)
    index.calibrate(queries, labels, k=100, matcher={"name": matcher})
    assert index.match(queries).shape == (40,)
    # All 40 records vote alike, so only a vote that looks at distances still finds the class.
    assert matcher == "majority_vote" or index.match(queries).tolist() == labels.tolist()


def test_a_query_of_nan_is_refused(index):
    queries, labels = clusters(1)
    queries[3, 2] = np.nan
    with pytest.raises(InvalidInputError, match=r"embeddings\[3\] holds NaN"):
        index.calibrate(queries, labels)


def test_queries_of_one_class_are_calibrated(index):
    queries, labels = clusters(1)
    mine = labels == 2
    calibration = index.calibrate(queries[mine], labels[mine])
    assert calibration.cut_points["optimal"].scores == {"f1": 1.0, "precision": 1.0, "recall": 1.0}


class TestPrototypes:
    """The means of classes in the place of records."""

    @staticmethod
    def by_definition(gallery, labels, queries):
        classes = np.unique(labels[labels != -1])
        unit = gallery / np.linalg.norm(gallery.astype(np.float64), axis=1, keepdims=True)
        means = np.stack([unit[labels == name].mean(axis=0) for name in classes])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        cosines = (queries / np.linalg.norm(queries.astype(np.float64), axis=1, keepdims=True)) @ means.T
        return classes[cosines.argmax(axis=1)], 1 - cosines.max(axis=1)

    def test_a_query_gets_the_class_with_the_nearest_mean(self, index):
        rng = np.random.default_rng(0)
        gallery, labels = clusters(0)
        queries = rng.normal(size=(200, 8)).astype(np.float32)
        expected, distances = self.by_definition(gallery, labels, queries)
        truth = np.where(rng.random(200) < 0.5, expected, expected + 1)
        calibration = index.calibrate(queries, truth, matcher="prototype", metric="recall")
        assert calibration.matcher == {"name": "prototype"}
        cut = calibration.cut_points["optimal"].distance
        assert cut == pytest.approx(distances[truth == expected].max(), abs=1e-5)
        assert index.match(queries).tolist() == np.where(distances <= cut, expected, -1).tolist()
        scores = index.evaluate_classification(queries, truth, ["recall"])
        assert scores["optimal"]["recall"] == 1.0

    def test_records_without_a_label_have_no_prototype(self, index):
        queries, labels = clusters(1)
        strange = np.tile(-np.eye(8, dtype=np.float32)[7], (30, 1))
        index.add(strange)
        index.calibrate(queries, labels, matcher="prototype")
        assert index.match(strange).tolist() == [-1] * 30
        assert index.match(queries).tolist() == labels.tolist()

    def test_without_a_labelled_record_there_is_nothing_to_match(self):
        queries, labels = clusters(1)
        with Index.create(None, dim=8) as index:
            index.add(queries)
            with pytest.raises(InvalidInputError, match="none of the 40 queries has a neighbour"):
                index.calibrate(queries, labels, matcher="prototype")

    def test_prototypes_follow_the_records(self, index):
        queries, labels = clusters(1)
        index.calibrate(queries, labels, matcher="prototype")
        # Class 9 is made of what lay in class 0, and class 1 leaves.
        index.update(np.arange(10), labels=np.full(10, 9))
        index.remove(np.arange(10, 20))
        index.calibrate(queries, np.where(labels == 0, 9, labels), matcher="prototype")
        kept = labels != 1
        assert index.match(queries[kept]).tolist() == np.where(labels == 0, 9, labels)[kept].tolist()
        assert 1 not in index.match(queries, cutpoint="all")["optimal"]

    def test_a_saved_index_matches_by_prototypes_as_before(self, tmp_path, index):
        rng = np.random.default_rng(3)
        queries, labels = clusters(1)
        index.calibrate(queries, labels, matcher="prototype")
        asked = rng.normal(size=(100, 8)).astype(np.float32)
        index.save(tmp_path / "copy")
        expected, path = index.match(asked).tolist(), index.path
        index.close()
        for place in (path, tmp_path / "copy"):
            with Index.open(place, readonly=True) as again:
                assert again.match(asked).tolist() == expected

    def test_a_class_whose_mean_has_no_distance_is_refused(self):
        with Index.create(None, dim=2) as index:
            index.add([[1, 0], [-1, 0], [0, 1]], labels=[5, 5, 6])
            with pytest.raises(InvalidInputError, match="'prototype' makes of the records of class 5 is zero"):
                index.calibrate([[0, 1]], [6], matcher="prototype")

    def test_many_records_are_read_in_blocks(self):
        rng = np.random.default_rng(4)
        gallery = rng.normal(size=(20_000, 4)).astype(np.float32)
        labels = rng.integers(0, 50, 20_000)
        queries = rng.normal(size=(300, 4)).astype(np.float32)
        expected, _ = self.by_definition(gallery, labels, queries)
        with Index.create(None, dim=4) as index:
            index.add(gallery, labels=labels)
            index.calibrate(queries, expected, matcher="prototype", metric="recall")
            assert index.match(queries).tolist() == expected.tolist()


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
