"""The miners against their definitions: with the batch as its own references and with others, in every mode."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from keras.ops import convert_to_tensor as tensor
from pairwise import relation

import simplug
from simplug.api import InvalidInputError, Pairs
from simplug.testing.tensors import array, in_graph, in_xla

EUCLIDEAN = {"name": "euclidean", "normalize": True}


def load_definitions():
    spec = importlib.util.spec_from_file_location("miner_definitions", Path(__file__).with_name("definitions.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


definitions = load_definitions()


def own(count=30, classes=5, seed=0, dim=4):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim))
    distances = simplug.distances.build(EUCLIDEAN).numpy(rows, rows)
    return distances, *relation(rng.integers(0, classes, size=count)), distances


def with_references(seed=1):
    rng = np.random.default_rng(seed)
    rows, references = rng.normal(size=(14, 4)), rng.normal(size=(23, 4))
    distance = simplug.distances.build(EUCLIDEAN)
    pairs = relation(rng.integers(0, 4, size=14), rng.integers(0, 4, size=23))
    return distance.numpy(rows, references), *pairs, distance.numpy(references, references)


def batches():
    imbalanced = own()[0], *relation(np.array([0] * 17 + [1] * 9 + [2, 3, 3, 4])), own()[0]
    return {"own": own(), "references": with_references(), "imbalanced": imbalanced}


BATCHES = batches()


def parts(miner):
    def mine(distances, positive, negative, among):
        mined = miner(tensor(distances), Pairs(positive, negative), among if miner.needs_among else None)
        return mined.positive, mined.negative

    return mine


CASES = {
    f"triplet_margin, {triplets}": (
        {"triplets": triplets, "margin": 0.15},
        lambda d, p, n, _, triplets=triplets: definitions.triplet_margin(d, p, n, 0.15, triplets),
    )
    for triplets in ("all", "easy", "semi_hard", "hard")
}
CASES |= {
    f"angular, {angle}": (
        {"angle": angle},
        lambda d, p, n, among, angle=angle: definitions.angular(d, p, n, among, angle),
    )
    for angle in (20.0, 45.0, 60.0)
}
CASES |= {
    f"batch_easy_hard, {pos} and {neg}": (
        {"pos_strategy": pos, "neg_strategy": neg},
        lambda d, p, n, _, pos=pos, neg=neg: definitions.batch_easy_hard(d, p, n, pos, neg),
    )
    for pos in ("easy", "semihard", "hard", "all")
    for neg in ("easy", "semihard", "hard", "all")
    if {pos, neg} not in ({"semihard"}, {"semihard", "all"})
}
CASES |= {
    "batch_easy_hard, in ranges": (
        {"pos_strategy": "hard", "allowed_pos_range": (0.3, 1.2), "allowed_neg_range": (0.5, 1.6)},
        lambda d, p, n, _: definitions.batch_easy_hard(d, p, n, "hard", "semihard", (0.3, 1.2), (0.5, 1.6)),
    ),
    "batch_easy_hard, all in ranges": (
        {
            "pos_strategy": "all",
            "neg_strategy": "all",
            "allowed_pos_range": (0.3, 1.2),
            "allowed_neg_range": (0.5, 1.6),
        },
        lambda d, p, n, _: (p * (d >= 0.3) * (d <= 1.2), n * (d >= 0.5) * (d <= 1.6)),
    ),
    "batch_hard": ({}, lambda d, p, n, _: definitions.batch_easy_hard(d, p, n, "hard", "hard")),
    "pair_margin": (
        {"pos_margin": 0.9, "neg_margin": 1.1},
        lambda d, p, n, _: (p * (d > 0.9), n * (d < 1.1)),
    ),
    "hdc, half": ({}, lambda d, p, n, _: definitions.hdc(d, p, n, 0.5)),
    "hdc, a tenth": ({"hard_ratio": 0.1}, lambda d, p, n, _: definitions.hdc(d, p, n, 0.1)),
    "hdc, all": ({"hard_ratio": 1.0}, lambda d, p, n, _: (p, n)),
}


def unrelated(distances):
    """The two entries of a symmetric matrix are ties, which a definition that looks at one pair at a time breaks."""
    return distances + 1e-7 * np.random.default_rng(5).uniform(size=distances.shape)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("case", CASES)
def test_a_miner_keeps_the_pairs_of_its_definition(case, batch):
    options, definition = CASES[case]
    distances, positive, negative, among = BATCHES[batch]
    distances = unrelated(distances)
    mined = parts(simplug.miners.build(case.split(",")[0], **options))(distances, positive, negative, among)
    for kept, expected in zip(mined, definition(distances, positive, negative, among), strict=True):
        np.testing.assert_array_equal(array(kept), expected)


@pytest.mark.parametrize("run", [in_graph, in_xla])
def test_the_search_for_semi_hard_triplets_is_the_same_in_every_mode(run):
    miner = simplug.miners.build({"name": "triplet_margin", "triplets": "semi_hard"})
    given = [part.astype(np.float32) for part in BATCHES["references"]]
    for kept, expected in zip(run(parts(miner), *given), parts(miner)(*given), strict=True):
        np.testing.assert_array_equal(kept, array(expected))


@pytest.mark.parametrize("triplets", ["all", "easy", "semi_hard", "hard"])
def test_a_band_of_triplets_that_is_given_is_kept_too(triplets):
    distances, positive, negative, _ = BATCHES["own"]
    given = (-0.1, 0.1)
    miner = simplug.miners.build("triplet_margin", triplets=triplets, margin=0.05)
    mined = miner(tensor(distances), Pairs(positive, negative, given))
    expected = definitions.triplet_margin(distances, positive, negative, 0.05, triplets, given)
    np.testing.assert_array_equal(array(mined.positive), expected[0])
    np.testing.assert_array_equal(array(mined.negative), expected[1])
    assert mined.band == {"all": (-0.1, 0.05), "easy": (0.05, 0.1), "semi_hard": (0, 0.05), "hard": (-0.1, 0)}[triplets]


def test_bands_without_a_triplet_in_common_keep_nothing():
    distances, positive, negative, _ = BATCHES["own"]
    hard = {"name": "triplet_margin", "triplets": "hard"}
    easy = {"name": "triplet_margin", "triplets": "easy"}
    mined = simplug.miners.build("chain", miners=[hard, easy])(tensor(distances), Pairs(positive, negative))
    assert mined.band == (0.2, 0.0)
    assert not array(mined.positive).any()
    assert not array(mined.negative).any()


def test_triplets_with_equal_distances_are_hard_and_not_semi_hard():
    distances, pairs = np.array([[1.0, 1.0]]), Pairs(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    for triplets, expected in (("hard", 1), ("semi_hard", 0), ("all", 1), ("easy", 0)):
        mined = simplug.miners.build("triplet_margin", triplets=triplets)(tensor(distances), pairs)
        assert array(mined.positive).sum() == array(mined.negative).sum() == expected


@pytest.mark.parametrize("name", ["batch_hard", "batch_easy_hard", "hdc"])
def test_pairs_at_the_same_distance_are_kept_together(name):
    distances = np.array([[0.5, 0.5, 0.9, 0.9, 2.0]])
    pairs = Pairs(np.array([[1.0, 1, 0, 0, 0]]), np.array([[0.0, 0, 1, 1, 1]]))
    mined = simplug.miners.build(name)(tensor(distances), pairs)
    assert array(mined.positive).tolist() == [[1, 1, 0, 0, 0]]
    assert array(mined.negative).tolist() == [[0, 0, 1, 1, 0]]


def test_an_anchor_that_lacks_one_kind_keeps_no_single_pair():
    distances = np.array([[0.1, 0.2], [0.3, 0.4]])
    pairs = Pairs(np.array([[1.0, 1], [0, 0]]), np.array([[0.0, 0], [1, 1]]))
    for miner in ("batch_hard", {"name": "batch_easy_hard", "pos_strategy": "hard", "neg_strategy": "hard"}):
        mined = simplug.miners.build(miner)(tensor(distances), pairs)
        assert not array(mined.positive).any()
        assert not array(mined.negative).any()
    hardest_positive = {"name": "batch_easy_hard", "pos_strategy": "hard", "neg_strategy": "all"}
    mined = simplug.miners.build(hardest_positive)(tensor(distances), pairs)
    assert array(mined.positive).tolist() == [[0, 1], [0, 0]]
    assert array(mined.negative).tolist() == [[0, 0], [1, 1]]


def test_strategies_that_wait_for_each_other_are_refused():
    with pytest.raises(InvalidInputError, match="both 'semihard'"):
        simplug.miners.get("batch_easy_hard")(pos_strategy="semihard")
    with pytest.raises(InvalidInputError, match="'all' chooses none; got pos_strategy='all'"):
        simplug.miners.get("batch_easy_hard")(pos_strategy="all")
    with pytest.raises(InvalidInputError, match="allowed_neg_range must go from a smaller"):
        simplug.miners.get("batch_easy_hard")(allowed_neg_range=(1.0, 0.5))


def test_a_chain_lets_each_miner_choose_from_what_is_left():
    distances, positive, negative, _ = BATCHES["own"]
    half = {"name": "hdc", "hard_ratio": 0.5}
    quarter = simplug.miners.build("chain", miners=[half, half])(tensor(distances), Pairs(positive, negative))
    for kept, given in ((quarter.positive, positive), (quarter.negative, negative)):
        assert array(kept).sum() == pytest.approx(given.sum() / 4, abs=2)
    alone = simplug.miners.build("chain", miners=["batch_hard"])(tensor(distances), Pairs(positive, negative))
    expected = simplug.miners.build("batch_hard")(tensor(distances), Pairs(positive, negative))
    np.testing.assert_array_equal(array(alone.positive), array(expected.positive))
    assert simplug.miners.build("chain", miners=["batch_hard", "angular"]).needs_among
    assert not simplug.miners.build("chain", miners=["batch_hard"]).needs_among


def test_weights_of_kept_pairs_are_unchanged():
    distances = np.array([[0.5, 0.4, 0.6]])
    pairs = Pairs(np.array([[0.25, 0.0, 0.0]]), np.array([[0.0, 3.0, 2.0]]))
    for miner in ("batch_hard", {"name": "triplet_margin", "triplets": "hard"}):
        mined = simplug.miners.build(miner)(tensor(distances), pairs)
        assert array(mined.positive).tolist() == [[0.25, 0, 0]]
        assert array(mined.negative).tolist() == [[0, 3, 0]]


def test_all_of_a_large_batch_is_ranked_exactly():
    rng = np.random.default_rng(3)
    distances = rng.normal(size=(64, 300)).astype(np.float32) ** 3
    positive, negative = relation(rng.integers(0, 3, size=64), rng.integers(0, 3, size=300))
    mined = simplug.miners.build("hdc", hard_ratio=0.37)(
        distances, Pairs(positive.astype(np.float32), negative.astype(np.float32))
    )
    for kept, mask, sign in ((mined.positive, positive, -1), (mined.negative, negative, 1)):
        bound = np.sort(sign * distances[mask > 0])[math.ceil(0.37 * mask.sum()) - 1]
        np.testing.assert_array_equal(array(kept), mask * (sign * distances <= bound))


def test_a_triplet_loss_learns_from_the_hardest_pairs_only():
    rng = np.random.default_rng(4)
    labels, rows = rng.integers(0, 4, size=20), rng.normal(size=(20, 5)).astype(np.float32)
    loss = simplug.losses.build("triplet", miner="batch_hard", margin=0.3)
    distances = simplug.distances.build(EUCLIDEAN).numpy(rows, rows)
    positive, negative = relation(labels)
    hinges = [
        max(d[p > 0].max() - d[n > 0].min() + 0.3, 0)
        for d, p, n in zip(distances, positive, negative, strict=True)
        if p.any() and n.any()
    ]
    expected = sum(hinges) / np.count_nonzero(hinges)
    assert float(loss(labels, rows)) == pytest.approx(expected, rel=1e-5)
    assert in_xla(loss, labels, rows)[0] == pytest.approx(expected, rel=1e-5)
