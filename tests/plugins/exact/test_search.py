"""The exact search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simplug
from simplug.api.search import Nearest, scan


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.lists(st.integers(1, 9), min_size=0, max_size=6))
def test_the_nearest_of_blocks_are_the_nearest_of_all(seed, k, sizes):
    rng = np.random.default_rng(seed)
    # Few distinct values, negative ones and both zeros among them, so that ties are many.
    distances = rng.choice([-1.5, -0.0, 0.0, 1e-30, 2.0, 1e300], size=(3, sum(sizes)))
    rows = np.cumsum(rng.integers(1, 5, sum(sizes)))
    nearest, start = Nearest(3, k), 0
    for size in sizes:
        nearest.push(rows[start : start + size], distances[:, start : start + size])
        start += size
    found, values = nearest.result()
    clipped = np.minimum(distances, np.finfo(np.float32).max).astype(np.float32)
    order = np.argsort(clipped, axis=1, kind="stable")[:, :k]
    filled = min(k, sum(sizes))
    assert np.array_equal(found[:, :filled], rows[order] if filled else found[:, :0])
    assert np.array_equal(values[:, :filled], np.take_along_axis(clipped, order, axis=1))
    assert (found[:, filled:] == -1).all()
    assert np.isinf(values[:, filled:]).all()


def test_a_scan_in_small_pieces_gives_what_one_piece_gives():
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(300, 4)), rng.normal(size=(17, 4))
    blocks = [(np.arange(start, start + 50), vectors[start : start + 50]) for start in range(0, 300, 50)]
    measure = simplug.distances.build("euclidean").numpy
    whole = scan(measure, queries, [(np.arange(300), vectors)], 9)
    pieces = scan(measure, queries, blocks, 9, cells=100)
    assert np.array_equal(whole[0], pieces[0])
    np.testing.assert_allclose(whole[1], pieces[1], rtol=1e-6)


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "manhattan"])
def test_rows_that_were_removed_never_come_back(distance):
    rng = np.random.default_rng(0)
    engine = simplug.searches.build("exact", block_mib=1).create(5, simplug.distances.build(distance))
    kept: dict[int, np.ndarray] = {}
    next_row = 0
    for _ in range(12):
        vectors = rng.normal(size=(700, 5)).astype(np.float32)
        rows = np.arange(next_row, next_row + 700)
        next_row += 703
        engine.add(rows, vectors)
        kept.update(zip(rows.tolist(), vectors, strict=True))
        gone = rng.choice(sorted(kept), size=500, replace=False)
        engine.remove(gone)
        for row in gone.tolist():
            del kept[row]
        assert len(engine) == len(kept)
    queries = rng.normal(size=(4, 5)).astype(np.float32)
    rows, distances = engine.search(queries, 20)
    measured = simplug.distances.build(distance).numpy(queries, np.stack(list(kept.values())))
    order = np.argsort(measured, axis=1, kind="stable")[:, :20]
    assert np.array_equal(rows, np.array(list(kept))[order])
    np.testing.assert_allclose(distances, np.take_along_axis(measured, order, axis=1), rtol=1e-6, atol=1e-7)


def test_an_empty_structure_finds_nothing():
    engine = simplug.searches.build("exact").create(3, simplug.distances.build("cosine"))
    rows, distances = engine.search(np.ones((2, 3), dtype=np.float32), 4)
    assert rows.tolist() == [[-1] * 4] * 2
    assert np.isinf(distances).all()
