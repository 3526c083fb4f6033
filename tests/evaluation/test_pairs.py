"""Pairs counted and summarized, against all distances of the definition at once."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import simplug
from simplug.evaluation import cores, count_pairs, pair_blocks, summarize_pairs
from simplug.evaluation import pairs as counting
from simplug.evaluation.pair_bins import Bins, Scale, coarsened
from simplug.evaluation.pair_blocks import Examples, over_pairs
from simplug.evaluation.pair_measures import measure_of
from simplug.kernel.errors import InvalidInputError

DISTANCES = ["cosine", "euclidean", "squared_euclidean", "inner_product", "manhattan", "snr"]


def blobs(count, dim=12, classes=7, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centers = np.random.default_rng(99).normal(size=(classes, dim))
    return (centers[labels] + spread * rng.normal(size=(count, dim))).astype(np.float32), labels


def all_pairs(distance, embeddings, labels, references=None, reference_labels=None):
    """Return distances and truth of all pairs, by the definition."""
    measured = simplug.distances.build(distance)
    if references is None:
        above = np.triu_indices(len(labels), 1)
        return measured.numpy(embeddings, embeddings)[above], (labels[:, None] == labels)[above]
    return measured.numpy(embeddings, references).ravel(), (labels[:, None] == reference_labels).ravel()


def auc(counts):
    return simplug.metrics.build("roc_auc").score(counts)


@pytest.fixture
def many(monkeypatch):
    """Have even few pairs counted as many are: fast, and in bins."""
    monkeypatch.setattr(counting, "_FEW", 0)


class TestFewPairs:
    @pytest.mark.parametrize("distance", DISTANCES)
    @pytest.mark.parametrize("two_sets", [False, True])
    def test_counts_are_those_of_the_definition_at_every_distance(self, distance, two_sets):
        embeddings, labels = blobs(60)
        others = blobs(45, seed=1) if two_sets else ()
        distances, same = all_pairs(distance, embeddings, labels, *others)
        counts = count_pairs(embeddings, labels, *others, distance=distance)
        single = distances.astype(np.float32)
        np.testing.assert_array_equal(counts.thresholds, np.unique(single))
        np.testing.assert_array_equal(counts.positives, [(single[same] <= t).sum() for t in counts.thresholds])
        np.testing.assert_array_equal(counts.negatives, [(single[~same] <= t).sum() for t in counts.thresholds])

    def test_an_example_and_itself_are_no_pair_but_its_copy_is_one(self):
        embeddings, labels = blobs(20)
        twice = count_pairs(np.tile(embeddings, (2, 1)), np.tile(labels, 2))
        assert twice.all_positives + twice.all_negatives == 40 * 39 // 2
        # Copies are at distance 0, all 20 of them, whatever rounding leaves.
        assert (twice.thresholds[0], twice.positives[0], twice.negatives[0]) == (0.0, 20, 0)

    def test_a_collapsed_model_has_one_distance_and_chance(self):
        counts = count_pairs(np.tile([[0.3, 0.1, 0.9]], (30, 1)), np.arange(30) % 3)
        assert counts.thresholds.tolist() == [0.0]
        assert auc(counts) == 0.5


@pytest.mark.usefixtures("many")
class TestManyPairs:
    @pytest.mark.parametrize("distance", DISTANCES)
    @pytest.mark.parametrize("two_sets", [False, True])
    def test_counts_are_those_of_the_definition_but_for_the_width_of_a_bin(self, distance, two_sets):
        embeddings, labels = blobs(700)
        others = blobs(300, seed=1) if two_sets else ()
        distances, same = all_pairs(distance, embeddings, labels, *others)
        counts = count_pairs(embeddings, labels, *others, distance=distance)
        assert (counts.all_positives, counts.all_negatives) == (same.sum(), (~same).sum())
        for column, part in ((counts.positives, distances[same]), (counts.negatives, distances[~same])):
            # Where the width is that of the square, the root is wider near 0.
            width = 2e-5 * np.abs(counts.thresholds) + 3e-6 * np.median(np.abs(distances)) / np.maximum(
                np.abs(counts.thresholds) / np.median(np.abs(distances)), 1e-3
            )
            ordered = np.sort(part)
            assert (column >= np.searchsorted(ordered, counts.thresholds - width)).all()
            assert (column <= np.searchsorted(ordered, counts.thresholds + width, side="right")).all()

    @pytest.mark.parametrize("distance", DISTANCES)
    def test_the_roc_curve_is_that_of_scikit_learn(self, distance):
        embeddings, labels = blobs(900, spread=0.7)
        distances, same = all_pairs(distance, embeddings, labels)
        assert auc(count_pairs(embeddings, labels, distance=distance)) == pytest.approx(
            roc_auc_score(same, -distances), abs=1e-6
        )

    @pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e6, 1e15])
    def test_the_size_of_embeddings_does_not_matter(self, factor):
        embeddings, labels = blobs(400)
        scaled = count_pairs(factor * embeddings, labels, distance="euclidean")
        assert auc(scaled) == pytest.approx(auc(count_pairs(embeddings, labels, distance="euclidean")), abs=1e-6)

    def test_embeddings_far_from_the_origin_are_told_apart(self):
        embeddings, labels = blobs(400)
        moved = (embeddings.astype(np.float64) + 1000).astype(np.float32)
        distances, same = all_pairs("euclidean", moved, labels)
        counts = count_pairs(moved, labels, distance="euclidean")
        assert auc(counts) == pytest.approx(roc_auc_score(same, -distances), abs=1e-5)

    @pytest.mark.parametrize("place", [0, -1])
    def test_a_single_far_example_spoils_nothing(self, place):
        embeddings, labels = blobs(400)
        embeddings[place] *= 1e9
        distances, same = all_pairs("euclidean", embeddings, labels)
        counts = count_pairs(embeddings, labels, distance="euclidean")
        # The distances to the far one differ by less than a bin is wide.
        assert auc(counts) == pytest.approx(roc_auc_score(same, -distances), abs=1e-4)

    def test_a_collapsed_model_has_chance(self):
        assert auc(count_pairs(np.tile([[0.3, 0.1, 0.9]], (30, 1)), np.arange(30) % 3)) == pytest.approx(0.5, abs=0.1)
        assert auc(count_pairs(np.ones((30, 4)), np.arange(30) % 3, distance="euclidean")) == 0.5

    def test_thresholds_accept_in_float32_what_was_counted(self):
        embeddings, labels = blobs(300)
        counts = count_pairs(embeddings, labels)
        distances, _ = all_pairs("cosine", embeddings, labels)
        single = distances.astype(np.float32)
        places = np.linspace(0, len(counts.thresholds) - 1, 50).astype(int)
        accepted = [(single <= counts.thresholds[place]).sum() for place in places]
        np.testing.assert_allclose(accepted, (counts.positives + counts.negatives)[places], atol=3)


class TestBlocks:
    """However the pairs are cut into blocks, each is counted once."""

    @pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 16), (16, 7), (13, 13), (64, 64)])
    @pytest.mark.parametrize("few", [0, 1 << 22])
    @pytest.mark.parametrize("two_sets", [False, True])
    def test_blocks_of_any_shape_hold_all_pairs(self, rows, columns, few, two_sets, monkeypatch):
        embeddings, labels = blobs(53)
        others = blobs(31, seed=1) if two_sets else ()
        monkeypatch.setattr(counting, "_FEW", few)
        whole = count_pairs(embeddings, labels, *others)
        monkeypatch.setattr(pair_blocks, "_ROWS", rows)
        monkeypatch.setattr(pair_blocks, "_COLUMNS", columns)
        cut = count_pairs(embeddings, labels, *others)
        assert (cut.all_positives, cut.all_negatives) == (whole.all_positives, whole.all_negatives)
        assert auc(cut) == pytest.approx(auc(whole), abs=1e-3)
        if few:
            np.testing.assert_allclose(cut.thresholds, whole.thresholds, rtol=1e-6)

    def test_memory_does_not_grow_with_the_number_of_pairs(self, monkeypatch):
        monkeypatch.setattr(cores, "cores", lambda: 2)
        peaks = []
        for count in (4_000, 12_000):
            embeddings, labels = blobs(count)
            tracemalloc.start()
            count_pairs(embeddings, labels, embeddings[:4_000], labels[:4_000])
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        # In float32 alone, the distances of all pairs would take 64 and 192 megabytes.
        assert peaks[1] < 1.3 * peaks[0] < 150e6

    @given(st.integers(2, 40), st.integers(1, 9), st.integers(1, 9), st.integers(1, 6))
    @settings(max_examples=100, deadline=None)
    def test_tiles_hold_each_pair_of_a_set_once_and_cells_name_its_groups(self, count, rows, columns, groups):
        embeddings, labels = blobs(count)
        of = np.arange(count) * groups // count
        examples = Examples(embeddings, labels, groups=of)
        seen = np.zeros((count, count), int)
        for first, second in itertools.product(examples.tiles(rows), examples.tiles(columns)):
            assert len(set(of[first])) == len(set(of[second])) == 1
            assert (examples.group(first), examples.group(second)) == (of[first][0], of[second][0])
            seen[first, second] += 1
        assert (seen == 1).all()
        measure = measure_of(simplug.distances.build("cosine"), embeddings, exact=True)
        blocks = list(over_pairs(lambda block: (block.cell, block.values.size), measure, examples))
        sizes = np.bincount(of, minlength=groups)
        for cell in {cell for cell, _ in blocks}:
            held = sum(size for found, size in blocks if found == cell)
            one, other = sizes[list(cell)]
            assert held == (one * (one - 1) // 2 if cell[0] == cell[1] else one * other)
        assert sum(size for _, size in blocks) == count * (count - 1) // 2


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ((np.ones((4, 2)), [1, 1, 1, 1]), "there is no negative pair: all 4 examples have the label 1"),
            ((np.ones((4, 2)), [1, 2, 3, 4]), "there is no positive pair: no two of the 4 examples"),
            ((np.ones((0, 2)), []), "there are 0 examples; a pair needs two"),
            ((np.ones((1, 2)), [1]), "there are 1 examples; a pair needs two"),
            (
                (np.ones((2, 2)), [1, 2], np.ones((3, 2)), [3, 4, 5]),
                "there is no positive pair: no two of the 2 examples",
            ),
            ((np.ones((2, 2)), [1, 1], np.ones((3, 2)), [1, 1, 1]), "there is no negative pair: all 2 examples and 3"),
            ((np.ones((2, 2)), [1, 1], np.ones((0, 2)), []), "there are 2 examples and 0 references"),
            ((np.ones((2, 2)), [1, 2], np.ones((3, 2))), "references and reference_labels are given together"),
            ((np.ones((2, 2)), [1, 1], np.ones((2, 3)), [1, 2]), "embeddings have 2 dimensions and references 3"),
            ((np.ones((3, 2)), [1, 2]), "the lengths differ: embeddings 3, labels 2"),
            ((np.ones(3), [1, 2, 1]), "embeddings have shape (3,)"),
            (([["a"], ["b"]], [1, 2]), "embeddings have dtype"),
            (([[1, np.nan], [1, 2]], [1, 2]), "embeddings[0] holds NaN"),
            (([[1, 2], [1e39, 2]], [1, 2]), "embeddings[1] holds NaN, infinity or a number too large for float32"),
            (([[1, 2], [0, 0]], [1, 2]), "embeddings[1] is zero, which has no direction"),
            ((np.ones((2, 2)), [1.5, 2]), "labels have dtype float64"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_cannot_be_counted_is_refused(self, arguments, text):
        with pytest.raises(InvalidInputError) as caught:
            count_pairs(*arguments)
        assert text in str(caught.value)

    def test_an_embedding_too_large_to_be_squared_is_refused(self):
        with pytest.raises(InvalidInputError, match=r"embeddings\[1\] is too large for its square"):
            count_pairs([[1, 2], [1e20, 2]], [1, 1], distance="euclidean")

    @pytest.mark.parametrize("few", [0, 1 << 22])
    def test_a_distance_that_is_no_number_is_refused(self, few, monkeypatch):
        monkeypatch.setattr(counting, "_FEW", few)
        embeddings, labels = np.array([[1e15, 1], [2, 3], [1, 1]]), [1, 1, 2]
        with pytest.raises(InvalidInputError, match="is to be a finite number up to"):
            count_pairs(embeddings, labels, distance={"name": "lp", "p": 3.0, "power": 4.0})


class TestSummary:
    @pytest.mark.parametrize("distance", DISTANCES)
    @pytest.mark.parametrize("few", [0, 1 << 22])
    def test_it_is_that_of_all_distances(self, distance, few, monkeypatch):
        monkeypatch.setattr(counting, "_FEW", few)
        embeddings, labels = blobs(500)
        distances, same = all_pairs(distance, embeddings, labels)
        summary = summarize_pairs(embeddings, labels, distance=distance)
        for found, part in ((summary.positive, distances[same]), (summary.negative, distances[~same])):
            expected = (part.size, part.mean(), part.min(), part.max())
            got = (found.count, found.mean, found.least, found.most)
            assert got == pytest.approx(expected, rel=1e-4, abs=1e-6)

    def test_a_kind_without_pairs_has_none(self):
        summary = summarize_pairs(np.eye(3), [1, 1, 1])
        assert (summary.positive.count, summary.positive.mean) == (3, 1.0)
        assert summary.negative.count == 0
        assert np.isnan([summary.negative.mean, summary.negative.least, summary.negative.most]).all()

    def test_a_single_example_has_no_pair(self):
        with pytest.raises(InvalidInputError, match="there are 1 examples; a pair needs two"):
            summarize_pairs(np.ones((1, 3)), [1])


class TestBins:
    VALUES = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50)

    @given(VALUES, st.sampled_from([1e-3, 1.0, 700.0]), st.sampled_from([0, 6]))
    @settings(max_examples=200, deadline=None)
    def test_every_value_lies_at_or_below_the_edge_of_its_bin_and_close_to_it(self, values, typical, coarser):
        values = np.array(values, dtype=np.float32)
        scale, bins = Scale(typical), Bins()
        keys, counts = scale.keys(values.copy(), np.zeros(len(values), bool))
        bins.add(coarsened(keys, coarser), counts)
        numbers, table = bins.filled()
        edges = Scale(typical, coarser).edges(numbers)
        assert (np.diff(edges) > 0).all()
        assert table.sum() == len(values)
        # Adding the offset rounds by half a unit in the last place.
        slack = 2.0**-23 * (np.abs(edges) + typical)
        assert (
            np.cumsum(table.sum(axis=1)) <= [(values <= e + s).sum() for e, s in zip(edges, slack, strict=True)]
        ).all()
        assert (
            np.cumsum(table.sum(axis=1)) >= [(values <= e - s).sum() for e, s in zip(edges, slack, strict=True)]
        ).all()
        width = 2.0 ** (coarser - 16) * (np.abs(values)[:, None] + typical / 4)
        assert (np.abs(edges - values[:, None]) <= width).any(axis=1).all()

    def test_the_range_grows_both_ways(self):
        bins = Bins()
        bins.add(np.array([10, 13]), np.array([1, 2]))
        bins.add(np.array([3]), np.array([4]))
        bins.add(np.array([-6, 20]), np.array([5, 6]))
        numbers, counts = bins.filled()
        assert numbers.tolist() == [-3, 1, 5, 6, 10]
        assert counts.tolist() == [[5, 0], [0, 4], [1, 0], [0, 2], [6, 0]]
