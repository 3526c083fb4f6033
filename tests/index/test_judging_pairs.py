"""An index scores pairs of queries and records, and how well it tells unknown queries."""

from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.evaluation import evaluate_open_set, evaluate_verification, pairs
from simplug.index import judging
from simplug.kernel.errors import InvalidInputError

DIM = 8


def blobs(count, seed=0, classes=6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centers = np.random.default_rng(5).normal(size=(classes, DIM))
    return (centers[labels] + 0.8 * rng.normal(size=(count, DIM))).astype(np.float32), labels


@pytest.fixture(params=["cosine", "euclidean", "manhattan"])
def index(request):
    with simplug.Index.create(None, dim=DIM, distance=request.param, search="exact", store="memory") as opened:
        yield opened


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(judging, "_REFERENCES", 7)


@pytest.mark.usefixtures("small_blocks")
def test_verification_is_that_of_the_records_however_they_are_read(index):
    records, labels = blobs(100)
    index.add(records, labels=labels)
    queries, classes = blobs(30, seed=1)
    scores = index.evaluate_verification(queries, classes)
    assert scores == evaluate_verification(queries, classes, records, labels, distance=index.distance)
    assert all(low <= scores[name] <= high for name, (low, high) in scores.intervals(resamples=50).items())


@pytest.mark.usefixtures("small_blocks")
def test_many_pairs_are_counted_while_the_records_are_read(index, monkeypatch):
    monkeypatch.setattr(pairs, "_FEW", 0)
    records, labels = blobs(100)
    ids = index.add(records, labels=labels)
    scores = index.evaluate_verification(records, labels, query_ids=ids)
    assert scores.counts.all_positives + scores.counts.all_negatives == 100 * 99
    expected = evaluate_verification(records, labels, distance=index.distance)
    assert scores["roc_auc"] == pytest.approx(expected["roc_auc"], abs=1e-5)


@pytest.mark.usefixtures("small_blocks")
def test_a_query_that_is_a_record_is_no_pair_with_itself(index):
    records, labels = blobs(60)
    ids = index.add(records, labels=labels, ids=np.random.default_rng(0).permutation(60) + 1000)
    scores = index.evaluate_verification(records, labels, query_ids=ids)
    # Each pair is there twice, once from either side.
    assert scores.counts.all_positives + scores.counts.all_negatives == 60 * 59
    assert scores == pytest.approx(evaluate_verification(records, labels, distance=index.distance))


def test_records_without_a_label_and_removed_ones_are_no_pairs(index):
    records, labels = blobs(60)
    ids = index.add(records, labels=np.where(np.arange(60) < 50, labels, -1))
    index.remove(ids[:10])
    queries, classes = blobs(20, seed=1)
    kept = slice(10, 50)
    expected = evaluate_verification(queries, classes, records[kept], labels[kept], distance=index.distance)
    assert index.evaluate_verification(queries, classes) == expected


def test_verification_without_a_kind_of_pair_is_refused(index):
    index.add(*blobs(5)[:1], labels=[1, 1, 1, 1, 1])
    queries, _ = blobs(2)
    for classes, text in (([1, 1], "there is no negative pair"), ([2, 3], "there is no positive pair")):
        with pytest.raises(InvalidInputError, match=text):
            index.evaluate_verification(queries, classes)
    with pytest.raises(InvalidInputError, match="query_ids holds 99, which the index does not have"):
        index.evaluate_verification(queries, [1, 2], query_ids=[0, 99])
    with pytest.raises(InvalidInputError, match="query_ids has 1 entries"):
        index.evaluate_verification(queries, [1, 2], query_ids=[0])


def test_an_only_positive_pair_with_itself_is_none(index):
    records, _ = blobs(3)
    ids = index.add(records, labels=[1, 2, 3])
    with pytest.raises(InvalidInputError, match="there is no positive pair"):
        index.evaluate_verification(records, [1, 2, 3], query_ids=ids)


def test_an_empty_index_has_no_pairs_and_knows_nobody(index):
    queries, classes = blobs(4)
    with pytest.raises(InvalidInputError, match="4 examples and 0 references"):
        index.evaluate_verification(queries, classes)
    with pytest.raises(InvalidInputError, match="none of the 4 queries is known"):
        index.evaluate_open_set(queries, classes)


@pytest.mark.parametrize(("k", "matcher"), [(1, "nearest"), (5, "majority_vote")])
def test_an_open_set_is_scored_by_the_matches(index, k, matcher):
    records, labels = blobs(200)
    held = labels < 4
    index.add(records[held], labels=labels[held])
    queries, classes = blobs(60, seed=1)
    scores = index.evaluate_open_set(queries, classes, k=k, matcher=matcher)
    found = index.lookup(queries, k=k)
    matched, distances = simplug.matchers.build(matcher).match(found.labels, found.distances.astype(np.float64))
    assert scores == evaluate_open_set(distances, classes < 4, matched == classes)
    assert scores["unknown_auroc"] > 0.5


def test_an_open_set_needs_queries_of_both_kinds(index):
    index.add(blobs(10)[0], labels=[1] * 10)
    queries, _ = blobs(3)
    with pytest.raises(InvalidInputError, match="none of the 3 queries is unknown"):
        index.evaluate_open_set(queries, [1, 1, 1])
    with pytest.raises(InvalidInputError, match="k must be at least 1"):
        index.evaluate_open_set(queries, [1, 1, 2], k=0)
    with pytest.raises(InvalidInputError, match=r"labels\[0\] is -1"):
        index.evaluate_open_set(queries, [-1, 1, 2])
