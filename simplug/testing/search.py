"""The checks of searches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from simplug.api import Distance, Search
from simplug.index.index import Index
from simplug.kernel.errors import InvalidInputError
from simplug.kernel.registry import registry_of
from simplug.testing.batches import embeddings
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form
from simplug.testing.prepared import Prepared

DIM = 16


class SearchSuite(ComponentSuite):
    """Checks that an engine finds the neighbours, and reports distances by the distance's own definition.

    Attributes:
        distances: Names of distances; the tests use those that the search serves.
        recall: The share of true neighbours that an approximate search must find among 500 vectors.
    """

    kind: ClassVar[str] = "search"
    number_of_checks: ClassVar[int] = 43
    distances: ClassVar[tuple[str, ...]] = ("cosine", "euclidean", "inner_product", "manhattan", "snr")
    recall: ClassVar[float] = 0.95

    def test_it_serves_a_distance(self, component: Search) -> None:
        """At least one of the suite's distances, or nothing below would be tested."""
        assert self._served(component)

    def test_neighbours_are_the_nearest(self, component: Search) -> None:
        """An exact search agrees with brute force; another reaches the recall of the suite."""
        vectors, queries = embeddings(500, dim=DIM), embeddings(40, seed=1, dim=DIM)
        for distance in self._served(component):
            rows, _ = _filled(component, distance, vectors).search(queries, 10)
            true = np.argsort(distance.numpy(queries, vectors), axis=1, kind="stable")[:, :10]
            if component.exact and not component.coarse:
                np.testing.assert_array_equal(rows, true, err_msg=repr(distance))
            found = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(rows, true, strict=True)])
            assert found >= self.recall, f"{distance}: recall {found:.3f}"

    def test_distances_are_those_of_the_definition(self, component: Search) -> None:
        """To 1e-4, whatever the engine measures inside; those of a coarse search are measured again by the index."""
        vectors, queries = embeddings(200, dim=DIM), embeddings(20, seed=1, dim=DIM)
        for distance in self._served(component):
            rows, distances = _filled(component, distance, vectors).search(queries, 10)
            expected = np.take_along_axis(distance.numpy(queries, vectors), rows, axis=1)
            _agree(component, distance, distances, expected)

    def test_results_are_int64_rows_and_float32_distances(self, component: Search) -> None:
        """(q, k) each."""
        for _, engine, _ in self._engines(component):
            rows, distances = engine.search(embeddings(3, seed=1, dim=DIM), 4)
            assert form(rows) == ((3, 4), "int64")
            assert form(distances) == ((3, 4), "float32")

    def test_the_nearest_comes_first(self, component: Search) -> None:
        """Distances ascend along a row."""
        for distance, engine, _ in self._engines(component):
            _, distances = engine.search(embeddings(20, seed=1, dim=DIM), 20)
            assert (np.diff(distances, axis=1) >= -1e-6).all(), distance

    def test_no_row_is_found_twice(self, component: Search) -> None:
        """The k places hold k records."""
        for distance, engine, _ in self._engines(component):
            rows, _ = engine.search(embeddings(20, seed=1, dim=DIM), 30)
            assert all(len(set(row)) == 30 for row in rows.tolist()), distance

    def test_places_beyond_the_records_are_empty(self, component: Search) -> None:
        """They have row -1 and distance inf; the others are filled."""
        for distance, engine, count in self._engines(component, count=7):
            rows, distances = engine.search(embeddings(3, seed=1, dim=DIM), 12)
            assert rows.shape == distances.shape == (3, 12)
            assert np.sort(rows[:, :count], axis=1).tolist() == [list(range(count))] * 3, distance
            assert (rows[:, count:] == -1).all()
            assert np.isfinite(distances[:, :count]).all()
            assert (distances[:, count:] == np.inf).all()

    def test_an_empty_engine_finds_nothing(self, component: Search) -> None:
        """No record is no error."""
        for distance in self._served(component):
            engine = _empty(component, distance)
            assert len(engine) == 0
            rows, distances = engine.search(embeddings(2, dim=DIM), 3)
            assert (rows == -1).all()
            assert (distances == np.inf).all()
            assert rows.shape == distances.shape == (2, 3)

    def test_a_single_record_is_found(self, component: Search) -> None:
        """The smallest gallery."""
        for _, engine, _ in self._engines(component, count=1):
            assert len(engine) == 1
            rows, _ = engine.search(embeddings(2, seed=1, dim=DIM), 1)
            assert rows.tolist() == [[0], [0]]

    def test_equal_vectors_are_all_found(self, component: Search) -> None:
        """Duplicates are records like others: all of them, in the order of rows, before anything farther."""
        one = embeddings(1, dim=DIM)
        away = -np.linspace(0.5, 1.5, 30, dtype=np.float32)[:, None] * one + embeddings(30, seed=2, dim=DIM) / 10
        vectors = np.concatenate([np.repeat(one, 20, axis=0), away])
        for distance in self._served(component):
            rows, distances = _filled(component, distance, vectors).search(one, 20)
            assert rows[0].tolist() == list(range(20)), distance
            _agree(component, distance, distances[0], distance.numpy(one, one)[0, 0])

    def test_a_removed_record_is_never_found(self, component: Search) -> None:
        """However many places are asked for."""
        for distance, engine, count in self._engines(component):
            gone = np.arange(0, count, 2)
            engine.remove(gone)
            assert len(engine) == count - len(gone)
            rows, distances = engine.search(embeddings(10, seed=1, dim=DIM), count)
            assert not np.isin(rows, gone).any(), distance
            assert (np.sort(rows, axis=1)[:, -len(engine) :] == np.arange(1, count, 2)).all()
            assert np.isfinite(distances).sum() == 10 * len(engine)

    def test_an_emptied_engine_can_be_filled_again(self, component: Search) -> None:
        """Removing everything leaves a working engine."""
        for distance, engine, count in self._engines(component):
            engine.remove(np.arange(count))
            assert len(engine) == 0
            assert (engine.search(embeddings(2, dim=DIM), 3)[0] == -1).all()
            fresh = np.arange(count, count + 5)
            engine.add(fresh, embeddings(5, seed=4, dim=DIM))
            rows, _ = engine.search(embeddings(2, dim=DIM), 5)
            assert np.sort(rows, axis=1).tolist() == [fresh.tolist()] * 2, distance

    def test_it_grows_in_many_small_steps(self, component: Search) -> None:
        """One by one, then in blocks: the same records are found as after one large step."""
        vectors, queries = embeddings(300, dim=DIM), embeddings(10, seed=1, dim=DIM)
        for distance in self._served(component):
            engine = _empty(component, distance)
            for start in [*range(100), *range(100, 300, 20)]:
                rows = np.arange(start, start + 1 if start < 100 else start + 20)
                engine.add(rows, vectors[rows])
            assert len(engine) == 300
            found, _ = engine.search(queries, 5)
            true = np.argsort(distance.numpy(queries, vectors), axis=1, kind="stable")[:, :5]
            assert np.mean([np.isin(one, other) for one, other in zip(found, true, strict=True)]) >= self.recall

    def test_threads_may_search_together(self, component: Search) -> None:
        """Many searches at once find what one finds."""
        queries = embeddings(64, seed=1, dim=DIM)
        for distance, engine, _ in self._engines(component, count=300):
            expected, _ = engine.search(queries, 5)
            with ThreadPoolExecutor(8) as pool:
                found = pool.map(lambda part, engine=engine: engine.search(part, 5)[0], np.split(queries, 8))
            np.testing.assert_array_equal(np.concatenate(list(found)), expected, err_msg=repr(distance))

    def test_rows_are_any_int64_numbers(self, component: Search) -> None:
        """Rows have gaps and grow large."""
        rows = np.array([3, 2**33, 2**40 + 1], dtype=np.int64)
        for distance in self._served(component):
            engine = _empty(component, distance)
            engine.add(rows, embeddings(3, dim=DIM))
            engine.remove(rows[:1])
            found, _ = engine.search(embeddings(1, seed=1, dim=DIM), 3)
            assert sorted(found[0].tolist()) == [-1, 2**33, 2**40 + 1], distance

    def test_the_vectors_given_are_left_alone(self, component: Search) -> None:
        """They are neither changed nor kept: the caller may write over them."""
        vectors, queries = embeddings(30, dim=DIM), embeddings(3, seed=1, dim=DIM)
        for distance in self._served(component):
            given, asked = vectors.copy(), queries.copy()
            engine = _filled(component, distance, given)
            before = engine.search(asked, 5)
            np.testing.assert_array_equal(given, vectors)
            np.testing.assert_array_equal(asked, queries)
            given[...] = 0
            np.testing.assert_array_equal(engine.search(asked, 5)[0], before[0])

    def test_engines_are_independent(self, component: Search) -> None:
        """Two engines of one recipe share nothing."""
        for distance, engine, count in self._engines(component, count=5):
            other = _empty(component, distance)
            other.add(np.array([9]), embeddings(1, seed=3, dim=DIM))
            assert (len(engine), len(other)) == (count, 1)

    def test_its_rows_are_those_that_are_live(self, component: Search) -> None:
        """`rows` ascend, and hold what was added and not removed."""
        for distance, engine, count in self._engines(component):
            engine.remove(np.arange(1, count, 3))
            rows = engine.rows()
            assert rows.dtype == np.int64
            assert rows.tolist() == [row for row in range(count) if row % 3 != 1], distance
            engine.remove(rows)
            assert engine.rows().tolist() == []

    def test_its_vectors_are_those_that_were_added(self, component: Search) -> None:
        """`vectors` returns them prepared, in the order asked for; a coarse search rounds them by no more than 1 %."""
        vectors = embeddings(60, dim=DIM)
        for distance in self._served(component):
            engine = _filled(component, distance, vectors)
            engine.remove(np.arange(10))
            asked = np.array([41, 10, 59, 33])
            found, expected = engine.vectors(asked), distance.prepare(vectors[asked])
            assert form(found) == ((4, DIM), "float32")
            if component.coarse:
                np.testing.assert_allclose(found, expected, atol=1e-2 * float(np.abs(expected).max()))
            else:
                np.testing.assert_array_equal(found, expected, err_msg=repr(distance))
            assert engine.vectors(asked[:0]).shape == (0, DIM)

    def test_collapsed_embeddings_keep_their_neighbours(self, component: Search) -> None:
        """Half of the vectors are one and the same: the recall among all is no worse for it."""
        vectors, queries = embeddings(400, dim=DIM), embeddings(20, seed=1, dim=DIM)
        vectors[::2] = vectors[0]
        for distance in self._served(component):
            found, distances = _filled(component, distance, vectors).search(queries, 10)
            assert all(len(set(row)) == 10 for row in found.tolist())
            # Equal vectors are equally near, so that distances say what was missed.
            true = np.sort(distance.numpy(queries, vectors), axis=1)[:, :10]
            _agree(component, distance, distances, true)

    def test_scaled_copies_are_equally_near_by_cosine(self, component: Search) -> None:
        """To 1e-6, in any order: the length of a vector is nothing to the angle."""
        one = embeddings(1, dim=DIM)
        scales = np.array([1e-3, 0.3, 1.0, 7.0, 1e3], dtype=np.float32)[:, None]
        vectors = np.concatenate([scales * one, embeddings(40, seed=2, dim=DIM)])
        for distance in self._served(component, ("cosine",)):
            rows, distances = _filled(component, distance, vectors).search(one + embeddings(1, seed=3, dim=DIM) / 9, 5)
            assert sorted(rows[0].tolist()) == [0, 1, 2, 3, 4]
            assert np.ptp(distances) <= (1e-2 if component.coarse else 1e-6)

    def test_far_from_the_origin_an_exact_search_is_exact(self, component: Search) -> None:
        """Where the squares of norms say nothing any more about differences."""
        if not component.exact or component.coarse:
            return
        whole = np.random.default_rng(0).integers(0, 9, size=(320, DIM)).astype(np.float32)
        vectors, queries = whole[:300] + 2**20, whole[300:] + 2**20
        for distance in self._served(component, ("euclidean", "squared_euclidean")):
            rows, distances = _filled(component, distance, vectors).search(queries, 10)
            true = distance.numpy(whole[300:], whole[:300]).astype(np.float32)
            np.testing.assert_array_equal(rows, np.argsort(true, axis=1, kind="stable")[:, :10])
            np.testing.assert_allclose(distances, np.take_along_axis(true, rows, axis=1), rtol=1e-6)

    def test_a_coarse_search_takes_enough(self, component: Search) -> None:
        """Among `coarse` times k candidates are the true neighbours, to the recall of the suite."""
        if not component.coarse:
            return
        vectors, queries = embeddings(500, dim=DIM), embeddings(40, seed=1, dim=DIM)
        for distance in self._served(component):
            rows, _ = _filled(component, distance, vectors).search(queries, 10 * component.coarse)
            true = np.argsort(distance.numpy(queries, vectors), axis=1, kind="stable")[:, :10]
            found = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(rows, true, strict=True)])
            assert found >= max(self.recall, 0.99), f"{distance}: recall {found:.3f}"

    def test_a_saved_engine_gives_equal_results(self, component: Search, tmp_path: Path) -> None:
        """What a persistent search saved is the same when loaded; another says that it is not persistent."""
        queries = embeddings(10, seed=1, dim=DIM)
        for number, (distance, engine, count) in enumerate(self._engines(component)):
            folder = tmp_path / str(number)
            folder.mkdir()
            if not component.persistent:
                with pytest.raises(TypeError, match="not persistent"):
                    engine.save(folder)
                with pytest.raises(TypeError, match="not persistent"):
                    Prepared(component.load(folder, DIM, distance), distance)
                continue
            engine.remove(np.arange(5))
            engine.save(folder)
            again = Prepared(component.load(folder, DIM, distance), distance)
            # As the index does: rows that are faster added than read need not be written.
            missing = np.setdiff1d(engine.rows(), again.rows())
            again.add(missing, embeddings(count, dim=DIM)[missing])
            assert len(again) == len(engine)
            for one, other in zip(again.search(queries, count), engine.search(queries, count), strict=True):
                np.testing.assert_array_equal(one, other)
            again.add(np.array([count]), queries[:1])
            again.remove(np.array([6]))
            rows, _ = again.search(queries[:1], count)
            assert count in rows
            assert 6 not in rows

    def test_an_index_refuses_what_an_engine_cannot_bear(self, component: Search) -> None:
        """Other dimensions, NaN, infinity, ids that are no integers, k below 1, more than float32 holds."""
        with self._index(component) as index:
            vectors = embeddings(3, dim=DIM)
            index.add(vectors)
            bad = [np.ones((1, DIM - 1)), np.ones(DIM), np.full((1, DIM), np.nan), np.full((1, DIM), np.inf)]
            for wrong in [*bad, np.full((1, DIM), 1e60), [["a"] * DIM]]:
                for refuse in (index.add, index.lookup):
                    with pytest.raises(InvalidInputError):
                        refuse(wrong)
            for ids in ([1.5], ["1"], [-1], [0]):
                with pytest.raises(InvalidInputError):
                    index.add(vectors[:1], ids=ids)
            unusable: list[Any] = [0, -1, 2.5]
            for k in unusable:
                with pytest.raises(InvalidInputError):
                    index.lookup(vectors, k=k)
            assert len(index) == 3
            assert index.lookup(vectors, k=9).filled.sum(axis=1).tolist() == [3] * 3

    def test_an_index_answers_while_it_changes(self, component: Search) -> None:
        """Readers in threads find each record beside itself while others are added and removed."""
        vectors = embeddings(600, dim=DIM)
        with self._index(component) as index, ThreadPoolExecutor(4) as pool:
            index.add(vectors[:100])
            going = threading.Event()
            going.set()

            def ask() -> bool:
                right = True
                while going.is_set():
                    found = index.lookup(vectors[:100], k=3)
                    right &= bool((found.ids[:, 0] == np.arange(100)).mean() >= self.recall)
                return right

            readers = [pool.submit(ask) for _ in range(4)]
            try:
                for start in range(100, 600, 20):
                    ids = index.add(vectors[start : start + 20])
                    index.remove(ids[::2])
            finally:
                going.clear()
            assert all(reader.result() for reader in readers)
            assert len(index) == 350

    def test_an_index_comes_back_from_damaged_files(self, component: Search, tmp_path: Path) -> None:
        """A flipped bit in what the search has saved means that it is built anew, with the same answers."""
        vectors = embeddings(100, dim=DIM)
        with self._index(component, tmp_path / "index") as index:
            index.add(vectors)
            expected = index.lookup(vectors, k=3).ids
        rng = np.random.default_rng(0)
        for file in sorted((tmp_path / "index" / "graph").rglob("*")):
            if file.is_file():
                whole = file.read_bytes()
                damaged = bytearray(whole)
                damaged[int(rng.integers(len(whole) - 1))] ^= 1 << int(rng.integers(8))
                file.write_bytes(damaged)
                with Index.open(tmp_path / "index", readonly=True) as index:
                    assert (index.lookup(vectors, k=3).ids == expected).mean() >= self.recall
                file.write_bytes(whole)

    def _index(self, component: Search, path: Path | None = None) -> Index:
        return Index.create(path, dim=DIM, distance=self._served(component)[0], search=component, store="memory")

    def _served(self, component: Search, names: tuple[str, ...] | None = None) -> list[Distance]:
        built = [registry_of("distance").build(name) for name in names or self.distances]
        return [one for one in built if component.spaces is None or one.space in component.spaces]

    def _engines(self, component: Search, count: int = 60) -> Iterator[tuple[Distance, Prepared, int]]:
        for distance in self._served(component):
            yield distance, _filled(component, distance, embeddings(count, dim=DIM)), count


def _empty(component: Search, distance: Distance) -> Prepared:
    return Prepared(component.create(DIM, distance), distance)


def _filled(component: Search, distance: Distance, vectors: np.ndarray) -> Prepared:
    engine = _empty(component, distance)
    engine.add(np.arange(len(vectors), dtype=np.int64), vectors)
    return engine


def _agree(component: Search, distance: Distance, found: np.ndarray, expected: Any) -> None:
    """Compare distances; those of a coarse search are rough, and the index measures again what it found."""
    tolerance = 5e-2 if component.coarse else 1e-4
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=repr(distance))
