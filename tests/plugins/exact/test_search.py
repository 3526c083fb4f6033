"""The exact search."""

import numpy as np
import pytest

import simplug
from simplug.testing.prepared import Prepared


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "manhattan"])
def test_rows_that_were_removed_never_come_back(distance):
    rng = np.random.default_rng(0)
    measured = simplug.distances.build(distance)
    engine = Prepared(simplug.searches.build("exact", block_mib=1).create(5, measured), measured)
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


def test_many_removals_leave_few_blocks():
    engine = simplug.searches.build("exact").create(16384, simplug.distances.build("inner_product"))
    rng = np.random.default_rng(0)
    for start in range(0, 1536, 256):
        engine.add(np.arange(start, start + 256), rng.normal(size=(256, 16384)).astype(np.float32))
    engine.remove(np.setdiff1d(np.arange(1536), np.arange(0, 1536, 16)))
    assert engine.rows().tolist() == list(range(0, 1536, 16))
    assert len(engine._blocks) == 1
    engine.remove(np.arange(0, 1536, 16))
    assert engine._blocks == []


def test_no_vector_of_a_block_is_longer_than_the_block_says():
    engine = simplug.searches.build("exact").create(4, simplug.distances.build("euclidean"))
    vectors = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32) * np.arange(1, 601, dtype="f")[:, None]
    for start in range(0, 600, 100):
        engine.add(np.arange(start, start + 100), vectors[start : start + 100])
        engine.remove(np.arange(start, start + 50))
        blocks = [block.scanned() for block in engine._blocks]
        assert all(block.squares.max() <= block.largest for block in blocks)
