"""Retrieval scores of an index: block by block, and with all that can be asked of them."""

from __future__ import annotations

import numpy as np
import pytest

from simplug.evaluation import RetrievalScores, evaluate_retrieval
from simplug.index import judging
from simplug.index.index import Index
from simplug.kernel.errors import InvalidInputError

METRICS = ["recall@1", "map@r", "ndcg@5"]


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    labels = np.minimum(rng.integers(0, 12, 300), rng.integers(0, 12, 300))
    return (rng.normal(size=(12, 6))[labels] + rng.normal(size=(300, 6))).astype(np.float32), labels


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_blocks_change_nothing(examples, monkeypatch, search):
    embeddings, labels = examples
    with Index.create(None, dim=6, distance="euclidean", search=search) as index:
        ids = index.add(embeddings, labels)
        for own in (None, ids):
            at_once = index.evaluate_retrieval(embeddings, labels, METRICS, query_ids=own)
            with monkeypatch.context() as patched:
                patched.setattr(judging, "_RANKED", 500)
                in_blocks = index.evaluate_retrieval(embeddings, labels, METRICS, query_ids=own)
            for label, values in at_once.values_by_query.items():
                np.testing.assert_allclose(in_blocks.values_by_query[label], values, rtol=0, atol=1e-15)


def test_what_was_removed_and_relabelled_counts_as_it_is_now(examples):
    embeddings, labels = examples
    labels = labels.copy()
    with Index.create(None, dim=6) as index:
        ids = index.add(embeddings, labels)
        index.remove(ids[:40])
        labels[40:60] = 11
        index.update(ids[40:60], labels=labels[40:60])
        scores = index.evaluate_retrieval(embeddings[60:], labels[60:], METRICS, query_ids=ids[60:])
    # An updated record stands behind all others at its distance; here no two are equally far.
    expected = evaluate_retrieval(
        *(embeddings[60:], labels[60:], embeddings[40:], labels[40:]), metrics=METRICS, query_rows=np.arange(20, 260)
    )
    assert scores == pytest.approx(expected)


def test_classes_queries_and_intervals_come_with_the_scores(examples):
    embeddings, labels = examples
    with Index.create(None, dim=6) as index:
        ids = index.add(embeddings, labels)
        scores = index.evaluate_retrieval(embeddings, labels, METRICS, query_ids=ids, average="macro")
    assert isinstance(scores, RetrievalScores)
    assert scores["map@r"] == pytest.approx(np.mean([one["map@r"] for one in scores.per_class().values()]))
    assert scores.averaged("micro")["map@r"] == pytest.approx(scores.values_by_query["map@r"].mean())
    assert all(low < scores[label] < high for label, (low, high) in scores.intervals(resamples=200).items())
    assert scores.of(labels < 6).queries == np.count_nonzero(labels < 6)


def test_an_empty_index_has_nothing_to_score():
    with Index.create(None, dim=2) as index, pytest.raises(InvalidInputError, match="none of the 1 queries"):
        index.evaluate_retrieval([[1, 0]], [0])


def test_a_record_without_a_label_is_relevant_to_no_query():
    with Index.create(None, dim=2) as index:
        index.add([[1, 0], [0, 1]], labels=[-1, 3])
        assert index.evaluate_retrieval([[1, 0]], [3], ["recall@1", "recall@2"]) == {"recall@1": 0.0, "recall@2": 1.0}
