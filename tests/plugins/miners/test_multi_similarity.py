"""The multi-similarity miner, against its definition and another library's choice of pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
from keras.ops import convert_to_tensor as tensor

import simplug
from simplug.api import Pairs

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "pml_values.json"


def mine(embeddings, labels, **options):
    same = (labels[:, None] == labels[None, :]).astype(np.float64)
    pairs = Pairs(same - np.eye(len(labels)), 1 - same)
    distances = simplug.distances.build("cosine").numpy(embeddings, embeddings)
    kept = simplug.miners.build("multi_similarity", **options)(tensor(distances), pairs)
    return np.asarray(kept.positive), np.asarray(kept.negative)


def test_an_anchor_without_an_opposite_pair_keeps_nothing():
    rng = np.random.default_rng(0)
    for labels in (np.zeros(5, dtype=int), np.arange(5)):
        positive, negative = mine(rng.normal(size=(5, 3)), labels)
        assert not positive.any()
        assert not negative.any()


def test_a_separated_batch_keeps_no_pair():
    embeddings = np.array([[1.0, 0.0], [1.0, 0.01], [-1.0, 0.0], [-1.0, 0.01]])
    positive, negative = mine(embeddings, np.array([0, 0, 1, 1]))
    assert not positive.any()
    assert not negative.any()


def test_weights_of_kept_pairs_are_unchanged():
    distances = np.array([[0.5, 0.4]])
    pairs = Pairs(np.array([[0.25, 0.0]]), np.array([[0.0, 3.0]]))
    kept = simplug.miners.build("multi_similarity")(tensor(distances), pairs)
    assert np.asarray(kept.positive).tolist() == [[0.25, 0.0]]
    assert np.asarray(kept.negative).tolist() == [[0.0, 3.0]]


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference values are not beside this checkout")
def test_the_same_pairs_as_pytorch_metric_learning_are_kept():
    known = json.loads(REFERENCE.read_text())
    rows = [row for row in known["miners"] if row["name"] == "MultiSimilarityMiner"]
    assert rows
    for row in rows:
        inputs = known["inputs"][row["input"]]
        positive, negative = mine(np.array(inputs["embeddings"]), np.array(inputs["labels"]), **row["args"])
        expected = {sign: sorted(map(tuple, pairs)) for sign, pairs in row["tuples"].items()}
        assert sorted(map(tuple, np.argwhere(positive).tolist())) == expected["positive"]
        assert sorted(map(tuple, np.argwhere(negative).tolist())) == expected["negative"]
