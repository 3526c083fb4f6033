"""The checks of miners."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from simplug.api import Miner, Pairs
from simplug.testing.batches import labels, shuffled
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form
from simplug.testing.tensors import array, in_graph, in_xla


class MinerSuite(ComponentSuite):
    """Checks that a miner chooses among pairs: what it drops is 0, what it keeps is as it was, shapes are fixed."""

    kind: ClassVar[str] = "miner"
    number_of_checks: ClassVar[int] = 28

    def test_shape_and_dtype_stay(self, component: Miner) -> None:
        """Weights in, weights of the same shape and dtype out."""
        for distances, (positive, negative) in (_square(), _rectangular()):
            for kept, given in zip(_mine(component, distances, positive, negative), (positive, negative), strict=True):
                assert form(kept) == form(given)

    def test_a_weight_stays_or_becomes_zero(self, component: Miner) -> None:
        """A pair is kept with its weight, or dropped; what was no pair stays none."""
        distances, (positive, negative) = _square()
        for weight in (np.float32(1), np.float32(0.5)):
            mined = _mine(component, distances, weight * positive, weight * negative)
            for kept, given in zip(mined, (weight * positive, weight * negative), strict=True):
                assert ((kept == given) | (kept == 0)).all()

    def test_hard_pairs_are_kept(self, component: Miner) -> None:
        """Of a far positive and a near negative, at least one is worth learning from."""
        _, (positive, negative) = _square()
        hard = np.where(positive > 0, np.float32(1.8), np.float32(0.1))
        assert any(kept.any() for kept in _mine(component, hard, positive, negative))

    def test_references_are_mined_like_the_batch(self, component: Miner) -> None:
        """Anchors and references may differ in number."""
        distances, (positive, negative) = _rectangular()
        for kept, given in zip(_mine(component, distances, positive, negative), (positive, negative), strict=True):
            assert ((kept == given) | (kept == 0)).all()

    def test_no_pairs_give_no_pairs(self, component: Miner) -> None:
        """A batch without a valid pair is no error."""
        distances, (positive, _) = _square()
        for kept in _mine(component, distances, 0 * positive, 0 * positive):
            assert (kept == 0).all()

    def test_one_class_gives_no_negatives(self, component: Miner) -> None:
        """Nothing is invented, and nothing is NaN."""
        distances, (positive, negative) = _square()
        mined = _mine(component, distances, positive + negative, 0 * negative)
        assert np.isfinite(mined[0]).all()
        assert (mined[1] == 0).all()

    def test_no_positives_give_no_positives(self, component: Miner) -> None:
        """Nothing is invented, and nothing is NaN."""
        distances, (positive, negative) = _square()
        mined = _mine(component, distances, 0 * positive, positive + negative)
        assert (mined[0] == 0).all()
        assert np.isfinite(mined[1]).all()

    def test_equal_distances_are_finite(self, component: Miner) -> None:
        """A collapsed model gives such batches."""
        distances, (positive, negative) = _square()
        for kept in _mine(component, 0 * distances, positive, negative):
            assert np.isfinite(kept).all()

    def test_the_order_of_the_batch_does_not_matter(self, component: Miner) -> None:
        """The same pairs are kept, wherever they stand."""
        distances, (positive, negative) = _square()
        order = shuffled(len(distances))
        moved = _mine(component, *(part[order][:, order] for part in (distances, positive, negative)))
        for kept, expected in zip(moved, _mine(component, distances, positive, negative), strict=True):
            np.testing.assert_array_equal(kept, expected[order][:, order])

    def test_a_band_of_triplets_is_handed_on(self, component: Miner) -> None:
        """What an earlier miner said of triplets holds; it may only become narrower."""
        from keras import ops

        distances, (positive, negative) = _square()
        band = component(ops.convert_to_tensor(distances), Pairs(positive, negative, (-0.5, 0.5))).band
        assert band is not None
        assert band[0] >= -0.5
        assert band[1] <= 0.5

    def test_graph_mode_gives_the_same(self, component: Miner) -> None:
        """Traced once for batches of any length."""
        distances, (positive, negative) = _square()
        expected = _mine(component, distances, positive, negative)
        np.testing.assert_array_equal(in_graph(_parts(component), distances, positive, negative), expected)

    def test_xla_gives_the_same(self, component: Miner) -> None:
        """Under `jit_compile=True`."""
        distances, (positive, negative) = _square()
        expected = _mine(component, distances, positive, negative)
        np.testing.assert_array_equal(in_xla(_parts(component), distances, positive, negative), expected)


def _square() -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    given = labels(4, 3)
    distances = _symmetric(12, seed=0)
    same = (given[:, None] == given[None]).astype(np.float32)
    return distances, (same - np.eye(12, dtype=np.float32), 1 - same)


def _rectangular() -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    distances = np.random.default_rng(1).uniform(0.1, 2.0, size=(12, 8)).astype(np.float32)
    same = (labels(4, 3)[:, None] == labels(4, 2)[None]).astype(np.float32)
    return distances, (same, 1 - same)


def _symmetric(count: int, *, seed: int) -> np.ndarray:
    half = np.random.default_rng(seed).uniform(0.05, 1.0, size=(count, count))
    distances = (half + half.T).astype(np.float32)
    np.fill_diagonal(distances, 0)
    return distances


def _parts(component: Miner) -> Any:
    def mine(distances: Any, positive: Any, negative: Any, among: Any = None) -> tuple[Any, Any]:
        mined = component(distances, Pairs(positive, negative), among)
        return mined.positive, mined.negative

    return mine


def _mine(component: Miner, *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from keras import ops

    rows, columns = arrays[0].shape
    if component.needs_among and rows != columns:
        arrays = (*arrays, _symmetric(columns, seed=2))
    positive, negative = _parts(component)(*map(ops.convert_to_tensor, arrays))
    return array(positive), array(negative)
