"""Records: adding, changing, removing and reading them."""

import numpy as np
import pytest

from simplug.index.index import Index


@pytest.fixture
def index(tmp_path, pair):
    with Index.create(tmp_path / "index", dim=8, **pair) as made:
        yield made


def test_ids_are_given_in_order_and_never_twice(index, vectors):
    assert index.add(vectors[:3]).tolist() == [0, 1, 2]
    assert index.add(vectors[3:4], ids=[10]).tolist() == [10]
    index.remove([10])
    assert index.add(vectors[3:5]).tolist() == [11, 12]


def test_ids_are_not_given_again_after_reopening_or_copying(tmp_path, index, vectors):
    index.add(vectors[:3])
    index.remove([2])
    index.save(tmp_path / "copy")
    path = index.path
    index.close()
    for place in (path, tmp_path / "copy"):
        with Index.open(place) as again:
            assert again.add(vectors[:1]).tolist() == [3]


def test_the_largest_id_can_be_used_and_leaves_none_for_automatic_ones(index, vectors):
    index.add(vectors[:1], ids=[2**63 - 1])
    with pytest.raises(ValueError, match="are left"):
        index.add(vectors[:1])


def test_a_record_comes_back_as_it_was_given(index, vectors):
    data = [None, b"\x00", "text", {"image": vectors[0], "n": 1}]
    index.add(vectors[:4], labels=np.array([[3], [1], [4], [1]]), data=data)
    found = index.get([3, 0, 1, 2, 0])
    assert found.labels.tolist() == [1, 3, 1, 4, 3]
    assert np.array_equal(found.embeddings, vectors[[3, 0, 1, 2, 0]])
    assert found.data[0]["n"] == 1
    assert np.array_equal(found.data[0]["image"], vectors[0])
    assert found.data[1:] == [None, b"\x00", "text", None]


def test_a_record_without_a_label_has_minus_one(index, vectors):
    index.add(vectors[:2])
    assert index.get([0, 1]).labels.tolist() == [-1, -1]


def test_later_changes_of_the_array_do_not_reach_the_index(index, vectors):
    given = vectors[:2].copy()
    index.add(given)
    given[:] = 5
    assert np.array_equal(index.get([0, 1]).embeddings, vectors[:2])


def test_a_removed_record_is_gone(index, vectors):
    index.add(vectors)
    index.remove([5, 7])
    assert len(index) == len(vectors) - 2
    assert 5 not in index
    assert 6 in index
    assert index.lookup(vectors[5:6], k=len(vectors)).ids.max() != 5
    assert 5 not in index.lookup(vectors[5:6], k=len(vectors)).ids


def test_a_removed_id_can_be_used_again(index, vectors):
    index.add(vectors[:3])
    index.remove([1])
    index.add(vectors[5:6], ids=[1], labels=[9])
    assert index.lookup(vectors[5:6], k=1).ids.tolist() == [[1]]


@pytest.mark.parametrize("part", ["embeddings", "labels", "data"])
def test_an_update_changes_what_it_is_given_and_nothing_else(index, vectors, part):
    index.add(vectors[:5], labels=range(5), data=[{"n": n} for n in range(5)])
    new = {"embeddings": vectors[100:102], "labels": [70, 71], "data": ["x", None]}[part]
    index.update([3, 1], **{part: new})
    found = index.get([3, 1])
    expected = {"embeddings": vectors[[3, 1]], "labels": [3, 1], "data": [{"n": 3}, {"n": 1}], part: new}
    assert np.array_equal(found.embeddings, expected["embeddings"])
    assert found.labels.tolist() == list(expected["labels"])
    assert found.data == expected["data"]
    assert len(index) == 5
    hits = index.lookup(found.embeddings, k=1)
    assert hits.ids[:, 0].tolist() == [3, 1]
    assert hits.labels[:, 0].tolist() == list(expected["labels"])


def test_many_updates_leave_each_id_once(index, vectors):
    index.add(vectors[:4])
    for step in range(40):
        index.update([1, 2], embeddings=vectors[step + 10 : step + 12])
    hits = index.lookup(vectors[:1], k=10)
    assert sorted(hits.ids[0].tolist()) == [-1] * 6 + [0, 1, 2, 3]


def test_nothing_to_do_is_no_commit(index, vectors):
    assert index.add(np.empty((0, 8))).tolist() == []
    index.remove([])
    assert index.stats()["sequence"] == 0


def test_data_is_given_for_neighbours_of_any_shape(index, vectors):
    index.add(vectors[:2], data=["a", "b"])
    hits = index.lookup(vectors[:2], k=3)
    assert index.data_of(hits.ids) == [["a", "b", None], ["b", "a", None]]
    assert index.data_of(hits.ids[1]) == ["b", "a", None]


def test_columns_hold_the_oldest_records_first(index, vectors):
    index.add(vectors[:3], labels=[5, 6, 7], data=["a", "b", "c"])
    columns = index.to_columns(limit=2)
    assert columns["id"].tolist() == [0, 1]
    assert columns["label"].tolist() == [5, 6]
    assert columns["data"] == ["a", "b"]
    assert np.array_equal(columns["embedding"], vectors[:2])


def test_the_stats_say_what_the_index_is_and_did(index, vectors, pair):
    index.add(vectors)
    index.lookup(vectors[:3])
    index.single_lookup(vectors[0])
    stats = index.stats()
    assert stats["size"] == len(vectors)
    assert (stats["dim"], stats["distance"]["name"]) == (8, "cosine")
    assert (stats["search"]["name"], stats["store"]["name"]) == tuple(pair.values())
    assert (stats["lookups"], stats["queries"]) == (2, 4)
    assert stats["lookup_seconds"] > 0
    assert stats["calibrated"] is False
