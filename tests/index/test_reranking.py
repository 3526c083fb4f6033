"""Re-ranking and expansion against dense definitions in float64, and what they are good for."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simplug
from simplug.index.index import Index
from simplug.kernel.errors import InvalidInputError
from simplug.reranking import database_augmentation, k_reciprocal, query_expansion

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def records(seed=0, count=120, classes=8, dim=6, spread=0.7):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    return (centres[labels] + spread * rng.normal(size=(count, dim))).astype(np.float32), labels


def made(embeddings, labels=None, distance="euclidean", **options):
    index = Index.create(None, dim=embeddings.shape[1], distance=distance, search="exact", **options)
    index.add(embeddings, labels=labels, ids=1000 + 3 * np.arange(len(embeddings)))
    return index


def reranked_by_definition(gallery, query, k1, k2, weight, distance, scale):
    """Return d* of one query to the whole gallery, from the equations, with every list as a set."""
    measured = simplug.distances.build(distance)
    among = measured.numpy(gallery, gallery).astype(np.float64)
    towards = measured.numpy(gallery, query[None])[:, 0]
    away = measured.numpy(query[None], gallery)[0]
    count = len(gallery)
    order = []
    for i in range(count):
        others = [j for j in np.argsort(among[i], kind="stable") if j != i]
        order.append([i, *others])

    def near(i, k):
        return set(order[i][: k + 1])

    def reciprocal(i, k):
        return {j for j in near(i, k) if i in near(j, k)}

    def expanded(own, k):
        members = set(own)
        for g in own:
            half = reciprocal(g, round(k / 2))
            if 3 * len(own & half) >= 2 * len(half):
                members |= half
        return members

    encodings = np.zeros((count, count))
    for i in range(count):
        for j in expanded(reciprocal(i, k1), k1):
            encodings[i, j] = np.exp(-among[i, j] / scale)
    ranked = list(np.argsort(away, kind="stable"))

    def has_query_near(g):
        return len(order[g]) <= k1 or towards[g] < among[g, order[g][k1]]

    own = np.zeros(count)
    for j in expanded({g for g in ranked[:k1] if has_query_near(g)}, k1):
        own[j] = np.exp(-away[j] / scale)
    mean = np.array([encodings[order[i][:k2]].mean(axis=0) for i in range(count)])
    mine = np.mean([own, *(encodings[g] for g in ranked[: k2 - 1])], axis=0)
    jaccard = 1 - np.minimum(mine, mean).sum(axis=1) / np.maximum(mine, mean).sum(axis=1)
    return (1 - weight) * jaccard + weight * away / scale


class TestReciprocal:
    @pytest.mark.parametrize("distance", ["euclidean", "cosine", "manhattan", "snr"])
    @pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (7, 1, 0.0), (10, 11, 0.9), (1, 2, 0.5)])
    def test_it_equals_the_equations(self, distance, k1, k2, weight):
        gallery, labels = records()
        queries, _ = records(1, 15)
        with made(gallery, labels, distance) as index:
            found = k_reciprocal(index, queries, k=120, k1=k1, k2=k2, weight=weight, candidates=120, scale=1.7)
            for query, ids, distances in zip(queries, found.ids, found.distances, strict=True):
                expected = reranked_by_definition(gallery, query, k1, k2, weight, distance, 1.7)
                places = (ids - 1000) // 3
                assert sorted(places) == list(range(120))
                np.testing.assert_allclose(distances, expected[places], rtol=1e-5, atol=1e-6)
                assert np.all(np.diff(distances) >= 0)
            assert np.array_equal(found.labels, labels[(found.ids - 1000) // 3])

    def test_what_is_no_candidate_does_not_come_up(self):
        gallery, labels = records()
        queries, _ = records(1, 15)
        with made(gallery, labels) as index:
            nearest = index.lookup(queries, k=25)
            found = k_reciprocal(index, queries, k=25, candidates=25)
            everything = k_reciprocal(index, queries, k=120, candidates=120)
        assert np.array_equal(np.sort(found.ids), np.sort(nearest.ids))
        for row in range(15):
            among = np.isin(everything.ids[row], nearest.ids[row])
            assert found.ids[row].tolist() == everything.ids[row][among].tolist()

    def test_queries_do_not_depend_on_each_other_nor_on_blocks(self, monkeypatch):
        from simplug.index import reciprocal

        gallery, labels = records(count=300)
        queries, _ = records(1, 20)
        with made(gallery, labels) as index:
            whole = k_reciprocal(index, queries)
            single = [k_reciprocal(index, query[None]) for query in queries]
            monkeypatch.setattr(reciprocal, "_QUERIES", 7)
            monkeypatch.setattr(reciprocal, "_RECORDS", 5)
            blocks = k_reciprocal(index, queries)
        assert np.array_equal(np.concatenate([one.ids for one in single]), whole.ids)
        assert np.array_equal(blocks.ids, whole.ids)
        np.testing.assert_allclose(blocks.distances, whole.distances, rtol=1e-6)

    def test_the_scale_is_the_largest_distance(self):
        gallery, labels = records()
        queries, _ = records(1, 5)
        largest = simplug.distances.build("euclidean").numpy(gallery, gallery).max()
        with made(gallery, labels) as index:
            assert np.array_equal(k_reciprocal(index, queries).ids, k_reciprocal(index, queries, scale=largest).ids)

    def test_a_small_gallery_gives_what_it_has(self):
        gallery, labels = records(count=4)
        with made(gallery, labels) as index:
            found = k_reciprocal(index, gallery[:2], k=6)
        assert np.sort(found.ids[:, :4]).tolist() == [[1000, 1003, 1006, 1009]] * 2
        assert found.ids[:, 4:].tolist() == [[-1, -1]] * 2
        assert np.isinf(found.distances[:, 4:]).all()
        assert found.labels[:, 4:].tolist() == [[-1, -1]] * 2
        with made(gallery[:1]) as index:
            assert k_reciprocal(index, gallery, k=2).ids.tolist() == [[1000, -1]] * 4

    def test_a_graph_on_disk_serves_as_well(self, tmp_path):
        gallery, labels = records(count=400)
        queries, _ = records(1, 30)
        with (
            Index.create(tmp_path / "index", dim=6, distance="cosine") as index,
            made(gallery, labels, "cosine") as exact,
        ):
            index.add(gallery, labels=labels, ids=1000 + 3 * np.arange(400))
            index.remove(1000 + 3 * np.arange(50))
            exact.remove(1000 + 3 * np.arange(50))
            found, expected = k_reciprocal(index, queries), k_reciprocal(exact, queries)
        assert np.mean(found.ids == expected.ids) > 0.98

    def test_many_copies_of_a_record_do_not_disturb(self):
        gallery, labels = records(count=60)
        copies = np.concatenate([np.repeat(gallery[:1], 40, axis=0), gallery])
        with made(copies, np.concatenate([np.repeat(labels[:1], 40), labels])) as index:
            found = k_reciprocal(index, gallery[:5], k=10)
        assert np.isfinite(found.distances).all()
        assert found.labels[0].tolist() == [labels[0]] * 10


def averaged_by_definition(vector, near, alpha):
    weights = [max(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other), 0) ** alpha for other in near]
    return (vector + sum(w * other for w, other in zip(weights, near, strict=True))) / (1 + sum(weights))


class TestExpansion:
    @pytest.mark.parametrize("distance", ["euclidean", "cosine"])
    @pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0])
    def test_an_expanded_query_is_the_weighted_mean(self, alpha, distance):
        gallery, labels = records()
        queries, _ = records(1, 12)
        measured = simplug.distances.build(distance)
        prepared = measured.prepare(gallery).astype(np.float64)
        with made(gallery, labels, distance) as index:
            found = query_expansion(index, queries, k=120, neighbors=4, alpha=alpha)
        for row, query in enumerate(measured.prepare(queries).astype(np.float64)):
            near = np.argsort(measured.numpy(query[None], prepared)[0], kind="stable")[:4]
            moved = averaged_by_definition(query, prepared[near], alpha)
            expected = measured.numpy(moved[None], gallery)[0]
            places = (found.ids[row] - 1000) // 3
            assert sorted(places) == list(range(120))
            np.testing.assert_allclose(found.distances[row], expected[places], rtol=2e-5, atol=2e-6)

    @pytest.mark.parametrize("distance", ["euclidean", "cosine"])
    def test_an_augmented_record_is_the_weighted_mean_with_its_nearest_others(self, distance):
        gallery, labels = records()
        measured = simplug.distances.build(distance)
        prepared = measured.prepare(gallery).astype(np.float64)
        among = measured.numpy(gallery, gallery)
        np.fill_diagonal(among, np.inf)
        with made(gallery, labels, distance) as index, database_augmentation(index, neighbors=3, alpha=2.0) as found:
            columns = found.to_columns()
            assert found.distance == index.distance
            assert columns["id"].tolist() == (1000 + 3 * np.arange(120)).tolist()
            assert columns["label"].tolist() == labels.tolist()
            for i, embedding in enumerate(columns["embedding"]):
                near = np.argsort(among[i], kind="stable")[:3]
                expected = averaged_by_definition(prepared[i], prepared[near], 2.0)
                np.testing.assert_allclose(embedding, expected, rtol=1e-5, atol=1e-6)
            assert index.get([1000]).embeddings.tolist() == gallery[:1].tolist()

    def test_blocks_make_no_difference(self, monkeypatch):
        from simplug.index import expansion

        gallery, labels = records()
        with made(gallery, labels) as index:
            expected = query_expansion(index, gallery[:20]), database_augmentation(index).to_columns()
            monkeypatch.setattr(expansion, "_NUMBERS", 100)
            found = query_expansion(index, gallery[:20]), database_augmentation(index).to_columns()
        assert np.array_equal(found[0].ids, expected[0].ids)
        np.testing.assert_allclose(found[1]["embedding"], expected[1]["embedding"], rtol=1e-6)

    def test_vectors_that_cancel_out_stay_as_they_are(self):
        with made(np.float32([[-1, 0]]), distance="cosine") as index:
            assert query_expansion(index, [[2, 0]], k=1, alpha=0.0).distances.tolist() == [[2.0]]

    def test_a_single_record_has_no_others(self):
        with made(np.float32([[1, 2]])) as index, database_augmentation(index) as found:
            assert found.get([1000]).embeddings.tolist() == [[1, 2]]


WAYS = {
    "k_reciprocal": lambda index, queries, k: k_reciprocal(index, queries, k=k, candidates=k),
    "query_expansion": lambda index, queries, k: query_expansion(index, queries, k=k),
    "database_augmentation": lambda index, queries, k: database_augmentation(index).lookup(queries, k=k),
}


def map_at_r(found, labels, gallery_labels):
    """Return the mean of MAP@R over queries."""
    relevant = np.array([np.count_nonzero(gallery_labels == label) for label in labels])
    hits = found.labels == labels[:, None]
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    within = np.arange(hits.shape[1]) < relevant[:, None]
    return float(((precision * hits * within).sum(axis=1) / relevant).mean())


class TestGain:
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("distance", ["euclidean", "cosine"])
    def test_map_at_r_rises_on_clusters_that_overlap(self, way, distance):
        gallery, labels = records(0, 600, 20, 12, 0.9)
        queries, query_labels = records(1, 100, 20, 12, 0.9)
        with made(gallery, labels, distance) as index:
            before = map_at_r(index.lookup(queries, k=100), query_labels, labels)
            after = map_at_r(WAYS[way](index, queries, 100), query_labels, labels)
        assert after > before + 0.03, (before, after)

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.skipif(not MNIST.is_dir(), reason="the MNIST test images are not in the shared data")
    def test_map_at_r_rises_on_the_pixels_of_digits(self, way):
        pixels = np.frombuffer(gzip.decompress((MNIST / "t10k-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
        labels = np.frombuffer(gzip.decompress((MNIST / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8)
        images = pixels.reshape(-1, 784)[:1600].astype(np.float32) / 255
        labels = labels[:1600].astype(np.int64)
        with made(images[:1500], labels[:1500], "cosine") as index:
            before = map_at_r(index.lookup(images[1500:], k=300), labels[1500:], labels[:1500])
            after = map_at_r(WAYS[way](index, images[1500:], 300), labels[1500:], labels[:1500])
        assert after > before + 0.01, (before, after)


class TestBadInput:
    @pytest.mark.parametrize("way", WAYS)
    def test_an_empty_index_has_no_neighbours(self, way):
        with Index.create(None, dim=2) as index:
            found = WAYS[way](index, [[1.0, 2.0]], 3)
        assert found.ids.tolist() == [[-1, -1, -1]]
        assert np.isinf(found.distances).all()

    @pytest.mark.parametrize("way", WAYS)
    def test_no_queries_have_no_neighbours(self, way):
        gallery, labels = records()
        with made(gallery, labels) as index:
            assert WAYS[way](index, np.empty((0, 6), dtype=np.float32), 3).ids.shape == (0, 3)

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize(
        ("queries", "k", "text"),
        [
            ([[np.nan] * 6], 3, "holds NaN"),
            ([[0.0] * 5], 3, r"shape \(n, 6\)"),
            ([[1.0] * 6], 0, "k must be at least 1"),
            ([[1.0] * 6], 2.5, "k must be an integer"),
        ],
        ids=str,
    )
    def test_unusable_queries_are_refused(self, way, queries, k, text):
        gallery, labels = records()
        with made(gallery, labels) as index, pytest.raises(InvalidInputError, match=text):
            WAYS[way](index, queries, k)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"k1": 0}, "k1 must be at least 1"),
            ({"k1": 3, "k2": 5}, r"k2 is 5; it is at most k1 \+ 1 = 4"),
            ({"weight": 1.5}, "weight must be a number from 0 to 1"),
            ({"weight": np.nan}, "weight must be a number from 0 to 1"),
            ({"candidates": 4}, "candidates is 4, which is less than k = 10"),
            ({"scale": 0}, "scale must be a finite number above 0"),
            ({"scale": np.inf}, "scale must be a finite number above 0"),
        ],
        ids=str,
    )
    def test_unusable_settings_of_reciprocal_neighbours_are_refused(self, options, text):
        gallery, labels = records()
        with made(gallery, labels) as index, pytest.raises(InvalidInputError, match=text):
            k_reciprocal(index, gallery[:1], **options)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"neighbors": 0}, "neighbors must be at least 1"),
            ({"alpha": -1}, "alpha must be a finite number of at least 0"),
            ({"alpha": np.nan}, "alpha must be a finite number"),
        ],
        ids=str,
    )
    def test_unusable_settings_of_expansion_are_refused(self, options, text):
        gallery, labels = records()
        with made(gallery, labels) as index:
            with pytest.raises(InvalidInputError, match=text):
                query_expansion(index, gallery[:1], **options)
            with pytest.raises(InvalidInputError, match=text):
                database_augmentation(index, **options)

    def test_a_closed_index_is_refused(self):
        gallery, labels = records()
        index = made(gallery, labels)
        index.close()
        for way in WAYS.values():
            with pytest.raises(InvalidInputError, match="is closed"):
                way(index, gallery[:1], 3)


def test_the_module_is_public_and_loads_no_framework():
    code = "import sys, simplug; simplug.reranking.k_reciprocal; print({'keras', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"
