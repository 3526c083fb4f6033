"""The miners that draw: what their draws are spread like, that they can be repeated, and that they change."""

import numpy as np
import pytest
from keras.ops import convert_to_tensor as tensor

import simplug
from simplug.api import Pairs
from simplug.testing.tensors import array, in_graph, in_xla

MINERS = {
    "distance_weighted": {"embedding_dim": 8},
    "uniform_histogram": {"num_bins": 10, "pos_per_bin": 3, "neg_per_bin": 5},
}


def on_the_sphere(count, dim, classes, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, dim))
    distances = simplug.distances.build("euclidean", normalize=True).numpy(rows, rows).astype(np.float32)
    labels = rng.integers(0, classes, size=count)
    same = (labels[:, None] == labels[None, :]).astype(np.float32)
    return distances, same - np.eye(count, dtype=np.float32), 1 - same


def mine(name, distances, positive, negative, **options):
    mined = simplug.miners.build(name, **(MINERS[name] | options))(tensor(distances), Pairs(positive, negative))
    return array(mined.positive), array(mined.negative)


@pytest.mark.parametrize("name", MINERS)
def test_a_draw_can_be_repeated_and_depends_on_the_seed_and_the_batch(name):
    batch = on_the_sphere(90, 8, 30)
    first = mine(name, *batch)[1]
    np.testing.assert_array_equal(mine(name, *batch)[1], first)
    other = mine(name, *batch, seed=1)[1]
    assert other.sum() == first.sum()
    assert (other * first).sum() < 0.5 * first.sum()
    moved = np.nextafter(batch[0], np.float32(9))
    assert (mine(name, moved, *batch[1:])[1] * first).sum() < 0.5 * first.sum()


@pytest.mark.parametrize("run", [in_graph, in_xla])
@pytest.mark.parametrize("name", MINERS)
def test_the_same_pairs_are_drawn_in_every_mode(name, run):
    miner = simplug.miners.build(name, **MINERS[name])
    batch = on_the_sphere(60, 8, 6)

    def parts(distances, positive, negative):
        mined = miner(tensor(distances), Pairs(positive, negative))
        return mined.positive, mined.negative

    for kept, expected in zip(run(parts, *batch), mine(name, *batch), strict=True):
        np.testing.assert_array_equal(kept, expected)


def test_as_many_negatives_as_positives_are_drawn_for_each_anchor():
    distances, positive, negative = on_the_sphere(200, 6, 20)
    kept_positive, kept_negative = mine("distance_weighted", distances, positive, negative, embedding_dim=6)
    np.testing.assert_array_equal(kept_positive, positive)
    available = (negative * (distances < 1.4)).sum(axis=1)
    np.testing.assert_array_equal(kept_negative.sum(axis=1), np.minimum(positive.sum(axis=1), available))


def test_distances_of_drawn_negatives_are_about_uniform():
    distances, positive, negative = on_the_sphere(800, 5, 200)
    kept = mine("distance_weighted", distances, positive, negative, embedding_dim=5)[1]
    drawn = distances[kept > 0]
    assert drawn.max() < 1.4
    # From the cutoff on, equal parts of the range get equal shares; all negatives together crowd at its end.
    shares = np.histogram(drawn, bins=6, range=(0.5, 1.4))[0] / (drawn >= 0.5).sum()
    np.testing.assert_allclose(shares, 1 / 6, atol=0.03)
    crowd = np.histogram(distances[negative > 0], bins=6, range=(0.5, 1.4))[0]
    assert crowd[-1] > 4 * crowd[0]


def test_nearer_negatives_than_the_cutoff_are_drawn_as_if_at_the_cutoff():
    rng = np.random.default_rng(0)
    distances = rng.uniform(0.1, 0.5, size=(400, 41)).astype(np.float32)
    positive = np.zeros_like(distances)
    positive[:, 0] = 1
    kept = mine("distance_weighted", distances, positive, 1 - positive, embedding_dim=64)[1]
    shares = np.histogram(distances[kept > 0], bins=2, range=(0.1, 0.5))[0] / 400
    np.testing.assert_allclose(shares, 0.5, atol=0.08)


def test_high_dimensions_and_the_end_of_the_range_stay_finite():
    distances = np.array([[0.3, 0.0, 1e-6, 1.9999999, 2.0, 2.0000005]], np.float32)
    positive = np.array([[1.0, 0, 0, 0, 0, 0]], np.float32)
    for dim in (2, 3, 2048):
        kept = mine("distance_weighted", distances, positive, 1 - positive, embedding_dim=dim, nonzero_loss_cutoff=2.0)
        assert kept[1].sum() == 1
        assert kept[1][0, 4:].sum() == 0


def test_each_bin_gives_its_number_of_pairs_or_all_it_has():
    distances, positive, negative = on_the_sphere(90, 4, 9)
    kept = mine("uniform_histogram", distances, positive, negative, num_bins=10, pos_per_bin=3, neg_per_bin=5)
    # Both entries of a symmetric matrix draw alike, so that a bin may have one more.
    for mask, given, per_bin in ((kept[0], positive, 3), (kept[1], negative, 5)):
        limits = distances[given > 0].min(), distances[given > 0].max()
        present = np.histogram(distances[given > 0], bins=10, range=limits)[0]
        drawn = np.histogram(distances[mask > 0], bins=10, range=limits)[0]
        assert (drawn >= np.minimum(present, per_bin)).all()
        assert (drawn <= per_bin + 1).all()


def test_a_collapsed_batch_is_drawn_from_one_bin():
    distances, positive, negative = on_the_sphere(12, 4, 3)
    kept = mine("uniform_histogram", 0 * distances + 0.5, positive, negative)
    np.testing.assert_array_equal(kept[0], positive)
    np.testing.assert_array_equal(kept[1], negative)
