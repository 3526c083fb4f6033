"""Unusable arguments are refused whole, by name and row, before anything is written."""

import numpy as np
import pytest

from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError, UnknownComponentError

DIM = 4


@pytest.fixture
def index(pair):
    made = Index.create(None, dim=DIM, search=pair["search"])
    made.add(np.eye(DIM), labels=[0, 1, 2, 3], ids=[10, 11, 12, 13])
    yield made
    made.close()


def rows(**changes):
    values = np.ones((3, DIM), dtype=np.float64)
    for row, value in changes.items():
        values[int(row[1:]), 1] = value
    return values


EMBEDDINGS = [
    (np.ones((3, 5)), r"embeddings must have shape \(n, 4\), not \(3, 5\)"),
    (np.ones(DIM), r"must have shape \(n, 4\), not \(4,\); a single one is embeddings\[None\]"),
    (np.ones((1, 1, DIM)), r"must have shape \(n, 4\)"),
    (rows(r1=np.nan), r"embeddings\[1\] holds NaN"),
    (rows(r2=-np.inf), r"embeddings\[2\] holds infinity"),
    (rows(r0=1e39), r"embeddings\[0\] is too large for float32: it holds 1e\+39"),
    (rows(r0=np.nan, r1=np.nan), r"embeddings\[0\] holds NaN \(and 1 more\)"),
    (np.concatenate([np.ones((2, DIM)), np.zeros((1, DIM))]), r"embeddings\[2\] is zero"),
    (np.full((1, DIM), 1e-60), r"embeddings\[0\] is zero"),
    ([["a"] * DIM], "embeddings must be real numbers"),
    (np.ones((1, DIM)) * 1j, "embeddings must be real numbers, not complex128"),
    ([[1, 2, 3, 4], [1, 2]], "embeddings cannot be read as an array"),
    (None, "embeddings must be real numbers"),
]


@pytest.mark.parametrize(("given", "message"), EMBEDDINGS)
def test_unusable_embeddings_are_refused_and_nothing_is_added(index, given, message):
    with pytest.raises(InvalidInputError, match=message):
        index.add(given)
    assert len(index) == 4
    assert index.stats()["sequence"] == 1


@pytest.mark.parametrize(("given", "message"), EMBEDDINGS)
def test_unusable_queries_are_refused(index, given, message):
    with pytest.raises(InvalidInputError, match=message.replace("embeddings", "queries")):
        index.lookup(given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [1]}, "labels has 1 entries, for 2 records"),
        ({"labels": [1.0, 2.0]}, "labels must be integers within int64, not float64"),
        ({"labels": [[1, 2], [3, 4]]}, r"labels must have shape \(n,\) or \(n, 1\)"),
        ({"labels": np.array([1, 2**63], dtype=np.uint64)}, "beyond int64"),
        ({"labels": [1, 2**70]}, "labels must be integers within int64"),
        ({"labels": ["a", "b"]}, "labels must be integers"),
        ({"labels": [True, False]}, "labels must be integers"),
        ({"ids": [1]}, "ids has 1 entries, for 2 records"),
        ({"ids": [1.0, 2.0]}, "ids must be integers within int64, not float64"),
        ({"ids": [1, -2]}, r"ids\[1\] is -2; ids are from 0"),
        ({"ids": [5, 5]}, "ids holds 5 more than once"),
        ({"ids": [5, 11]}, "ids holds 11, which the index has already"),
        ({"ids": [[1, 2]]}, r"ids must have shape \(n,\), not \(1, 2\)"),
        ({"ids": np.array([1, 2**64 - 1], dtype=np.uint64)}, "beyond int64"),
        ({"data": [b"x"]}, "data has 1 entries, for 2 records"),
        ({"data": "ab"}, "data must be a list, tuple or array of 2 payloads, not str"),
        ({"data": [b"x", object()]}, r"data\[1\] is a builtins.object"),
    ],
)
def test_unusable_companions_are_refused_and_nothing_is_added(index, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        index.add(np.ones((2, DIM)), **arguments)
    assert len(index) == 4
    assert index.stats()["sequence"] == 1


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(index, k):
    with pytest.raises(InvalidInputError, match="k must be at least 1"):
        index.lookup(np.ones((1, DIM)), k=k)


@pytest.mark.parametrize("k", [1.0, "3", True, None])
def test_k_that_is_no_integer_is_refused(index, k):
    with pytest.raises(InvalidInputError, match="k must be an integer"):
        index.lookup(np.ones((1, DIM)), k=k)


@pytest.mark.parametrize("method", ["remove", "get", "data_of"])
@pytest.mark.parametrize(
    ("ids", "message"),
    [([10, 99], "ids holds 99, which the index does not have"), ([1.5], "integers"), ([-3], r"ids\[0\] is -3")],
)
def test_unknown_and_unusable_ids_are_refused(index, method, ids, message):
    with pytest.raises(InvalidInputError, match=message):
        getattr(index, method)(ids)
    assert len(index) == 4


def test_removing_an_id_twice_in_one_call_is_refused(index):
    with pytest.raises(InvalidInputError, match="more than once"):
        index.remove([10, 10])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing to change"),
        ({"ids": [10, 99], "labels": [1, 2]}, "ids holds 99"),
        ({"ids": [10, 10], "labels": [1, 2]}, "more than once"),
        ({"labels": [1]}, "labels has 1 entries, for 2"),
        ({"embeddings": np.ones((1, DIM))}, "embeddings has 1 entries, for 2"),
        ({"embeddings": np.zeros((2, DIM))}, r"embeddings\[0\] is zero"),
        ({"data": [b"", (1,)]}, r"data\[1\] is a builtins.tuple"),
    ],
)
def test_an_unusable_update_changes_nothing(index, arguments, message):
    before = index.get([10, 11, 12, 13])
    with pytest.raises(InvalidInputError, match=message):
        index.update(**{"ids": [10, 11], **arguments})
    after = index.get([10, 11, 12, 13])
    assert np.array_equal(before.embeddings, after.embeddings)
    assert np.array_equal(before.labels, after.labels)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({}, "where must be a table"),
        ([1], "where must be a table"),
        ({"labels": [1]}, "the column is .label."),
        ({"label": [1.5]}, r"where\['label'\] must be integers"),
        ({"id": [[1, 2]]}, r"where\['id'\] must be integers, and holds \[1, 2\]"),
    ],
)
def test_an_unusable_filter_is_refused(index, where, message):
    with pytest.raises(InvalidInputError, match=message):
        index.lookup(np.ones((1, DIM)), where=where)


@pytest.mark.parametrize("dim", [0, -1, 2.0, True, "4", None])
def test_an_unusable_dimension_is_refused(dim):
    with pytest.raises(InvalidInputError, match="dim must be an integer"):
        Index.create(None, dim=dim)


def test_a_search_that_cannot_serve_the_distance_names_those_it_can():
    with pytest.raises(InvalidInputError, match=r"'hnsw' cannot serve the distance 'manhattan'.*cosine.*euclidean"):
        Index.create(None, dim=4, distance="manhattan", search="hnsw")


def test_a_distance_without_a_graph_gets_the_exact_search(tmp_path):
    with Index.create(tmp_path / "index", dim=4, distance="manhattan") as index:
        assert index.stats()["search"]["name"] == "exact"


def test_a_persistent_store_without_a_path_is_refused():
    with pytest.raises(InvalidInputError, match="'lmdb' needs a path"):
        Index.create(None, dim=4, store="lmdb")


def test_an_unknown_search_is_refused_before_the_folder_is_touched(tmp_path):
    with pytest.raises(UnknownComponentError, match="no search named 'hnws'"):
        Index.create(tmp_path / "index", dim=4, search="hnws")
    assert not (tmp_path / "index").exists()


def test_a_closed_index_refuses_everything(index):
    index.close()
    index.close()
    calls = [
        lambda: index.add(np.ones((1, DIM))),
        lambda: index.lookup(np.ones((1, DIM))),
        lambda: index.remove([10]),
        lambda: index.update([10], labels=[1]),
        lambda: index.get([10]),
        lambda: index.stats(),
        lambda: index.flush(),
        lambda: index.match(np.ones((1, DIM))),
        lambda: len(index),
    ]
    for call in calls:
        with pytest.raises(InvalidInputError, match="is closed"):
            call()
    assert "closed" in repr(index)


def test_a_reader_cannot_change_the_index(tmp_path, pair):
    Index.create(tmp_path / "index", dim=DIM, **pair).close()
    with Index.open(tmp_path / "index", readonly=True) as reader:
        for call in (lambda: reader.add(np.ones((1, DIM))), lambda: reader.remove([])):
            with pytest.raises(InvalidInputError, match="readonly=True"):
                call()


def test_large_vectors_are_welcome_where_only_their_direction_counts(index):
    index.add(np.full((1, DIM), 1e30), ids=[99])
    assert index.lookup(np.ones((1, DIM)), k=1).ids[0, 0] == 99


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_vectors_whose_distances_overflow_are_refused(search):
    with (
        Index.create(None, dim=DIM, distance="squared_euclidean", search=search) as index,
        pytest.raises(InvalidInputError, match=r"embeddings\[0\] is too large for float32"),
    ):
        index.add(np.full((1, DIM), 1e25))


def test_a_path_that_is_no_index_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no such folder"):
        Index.open(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="no saved index"):
        Index.open(tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []
