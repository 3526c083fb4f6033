"""The pairs that the miners keep, against another library's choice on the same embeddings."""

import json
from pathlib import Path

import numpy as np
import pytest
from keras.ops import convert_to_tensor as tensor

import simplug
from simplug.api import Pairs
from simplug.testing.tensors import array

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "pml_values.json"
NAMES = {
    "AngularMiner": "angular",
    "BatchEasyHardMiner": "batch_easy_hard",
    "BatchHardMiner": "batch_hard",
    "MultiSimilarityMiner": "multi_similarity",
    "PairMarginMiner": "pair_margin",
    "TripletMarginMiner": "triplet_margin",
}
EUCLIDEAN = {"name": "euclidean", "normalize": True}
TYPES = {"all": "all", "easy": "easy", "semihard": "semi_hard", "hard": "hard"}

known = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {"miners": []}
pytestmark = pytest.mark.skipif(not REFERENCE.exists(), reason="the reference values are not beside this checkout")


def options_of(args):
    args = dict(args)
    if "type_of_triplets" in args:
        args["triplets"] = TYPES[args.pop("type_of_triplets")]
    return args


def mined_by(row):
    inputs = known["inputs"][row["input"]]
    rows, labels = np.array(inputs["embeddings"]), np.array(inputs["labels"])
    name = NAMES[row["name"]]
    # The other library's angular miner means normalised embeddings, but measures those it was given.
    distance = {"multi_similarity": "cosine", "angular": "euclidean"}.get(name, EUCLIDEAN)
    distances = simplug.distances.build(distance).numpy(rows, rows)
    same = (labels[:, None] == labels[None, :]).astype(np.float64)
    pairs = Pairs(same - np.eye(len(labels)), 1 - same)
    return distances, simplug.miners.build(name, **options_of(row["args"]))(tensor(distances), pairs)


def kept(weights):
    return set(map(tuple, np.argwhere(array(weights)).tolist()))


def rows_of(tuple_size):
    chosen = [row for row in known["miners"] if row["tuple_size"] == tuple_size]
    return pytest.mark.parametrize("row", chosen, ids=[f"{r['name']} {r['args']} {r['input']}" for r in chosen])


@rows_of(4)
def test_the_same_pairs_are_kept(row):
    _, mined = mined_by(row)
    assert kept(mined.positive) == set(map(tuple, row["tuples"]["positive"]))
    assert kept(mined.negative) == set(map(tuple, row["tuples"]["negative"]))


@rows_of(3)
def test_the_pairs_of_the_same_triplets_are_kept(row):
    _, mined = mined_by(row)
    assert kept(mined.positive) == {(a, p) for a, p, _ in row["tuples"]}
    assert kept(mined.negative) == {(a, n) for a, _, n in row["tuples"]}


def test_the_band_holds_the_same_triplets():
    rows = [row for row in known["miners"] if row["name"] == "TripletMarginMiner"]
    assert rows
    for row in rows:
        distances, mined = mined_by(row)
        low, high = mined.band
        implied = {
            (a, p, n)
            for a, p in kept(mined.positive)
            for b, n in kept(mined.negative)
            if a == b and low < distances[a, n] - distances[a, p] <= high
        }
        assert implied == set(map(tuple, row["tuples"])), row["args"]


def test_every_miner_of_the_reference_is_compared():
    assert {row["name"] for row in known["miners"]} == set(NAMES)
