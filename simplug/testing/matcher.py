"""The checks of matchers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simplug.api import Matcher
from simplug.testing.batches import shuffled
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form


class MatcherSuite(ComponentSuite):
    """Checks that a matcher decides from the neighbours that are there."""

    kind: ClassVar[str] = "matcher"
    number_of_checks: ClassVar[int] = 27

    def test_it_returns_a_label_and_a_distance_for_each_query(self, component: Matcher) -> None:
        """(q,) int64 labels and (q,) float64 distances, also for no queries."""
        for count in (9, 0):
            labels, distances = component.match(*_neighbors(count))
            assert form(labels) == ((count,), "int64")
            assert form(distances) == ((count,), "float64")

    def test_a_single_neighbour_decides(self, component: Matcher) -> None:
        """With k = 1, it is the neighbour's label at the neighbour's distance."""
        labels, distances = _neighbors(9, k=1)
        matched, at = component.match(labels, distances)
        np.testing.assert_array_equal(matched, labels[:, 0])
        np.testing.assert_allclose(at, distances[:, 0], rtol=1e-6)

    def test_a_unanimous_vote_wins(self, component: Matcher) -> None:
        """When all neighbours agree, so does the matcher."""
        labels, distances = _neighbors(9)
        labels[:] = np.arange(9)[:, None]
        np.testing.assert_array_equal(component.match(labels, distances)[0], np.arange(9))

    def test_the_label_is_one_of_the_neighbours(self, component: Matcher) -> None:
        """Nothing is invented: neither a label nor a distance outside those of the neighbours."""
        labels, distances = _neighbors(50)
        matched, at = component.match(labels, distances)
        assert (labels == matched[:, None]).any(axis=1).all()
        assert (at >= distances.min(axis=1) - 1e-6).all()
        assert (at <= distances.max(axis=1) + 1e-6).all()

    def test_empty_places_are_ignored(self, component: Matcher) -> None:
        """Places with distance inf change nothing, whatever label they carry."""
        labels, distances = _neighbors(20)
        expected = component.match(labels, distances)
        for filler in (-1, 0, 2):
            padded = np.full((20, 6), filler), np.full((20, 6), np.inf, np.float32)
            found = component.match(np.hstack([labels, padded[0]]), np.hstack([distances, padded[1]]))
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)

    def test_a_query_without_a_neighbour_has_distance_inf(self, component: Matcher) -> None:
        """Whatever the cut point, it is unknown; the queries beside it are matched as ever."""
        labels, distances = _neighbors(6)
        expected = component.match(labels, distances)
        distances[2] = np.inf
        matched, at = component.match(labels, distances)
        assert at[2] == np.inf
        others = np.arange(6) != 2
        np.testing.assert_array_equal(matched[others], expected[0][others])
        np.testing.assert_allclose(at[others], expected[1][others], rtol=1e-6)
        assert (component.match(labels, np.full_like(distances, np.inf))[1] == np.inf).all()

    def test_queries_are_independent(self, component: Matcher) -> None:
        """Their order makes no difference."""
        labels, distances = _neighbors(20)
        order = shuffled(20)
        matched, at = component.match(labels, distances)
        moved, moved_at = component.match(labels[order], distances[order])
        np.testing.assert_array_equal(moved, matched[order])
        np.testing.assert_array_equal(moved_at, at[order])

    def test_equal_distances_are_decided(self, component: Matcher) -> None:
        """Neighbours that are all at distance 0 are no division by zero."""
        labels, distances = _neighbors(9)
        matched, at = component.match(labels, np.zeros_like(distances))
        assert (labels == matched[:, None]).any(axis=1).all()
        assert (at == 0).all()

    def test_the_neighbours_given_are_left_alone(self, component: Matcher) -> None:
        """They belong to the caller."""
        labels, distances = _neighbors(9)
        before = labels.copy(), distances.copy()
        component.match(labels, distances)
        np.testing.assert_array_equal(labels, before[0])
        np.testing.assert_array_equal(distances, before[1])

    def test_a_condensed_gallery_has_labels_of_the_records(self, component: Matcher) -> None:
        """Where the gallery is condensed, each entry has a label that is there, and a finite embedding."""
        for count in (40, 1):
            labels, embeddings = _records(count)
            condensed = component.condense(labels.copy(), [embeddings.copy()])
            if condensed is None:
                return
            size = len(condensed[0])
            assert 1 <= size <= count
            assert form(condensed[0]) == ((size,), "int64")
            assert form(condensed[1]) == ((size, 3), "float32")
            assert np.isin(condensed[0], labels).all()
            assert np.isfinite(condensed[1]).all()

    def test_a_gallery_is_condensed_in_blocks_of_any_size(self, component: Matcher) -> None:
        """They are read once, in order, and where they end makes no difference."""
        labels, embeddings = _records(40)
        whole = component.condense(labels, [embeddings])
        for size in (1, 7, 39):
            blocks = (embeddings[start : start + size] for start in range(0, 40, size))
            condensed = component.condense(labels, blocks)
            assert (condensed is None) == (whole is None)
            if condensed is not None and whole is not None:
                np.testing.assert_array_equal(condensed[0], whole[0])
                np.testing.assert_allclose(condensed[1], whole[1], rtol=1e-5, atol=1e-6)


def _neighbors(count: int, *, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return (count, k) labels of three classes, and ascending distances."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, size=(count, k))
    return labels, np.sort(rng.uniform(0.1, 1.0, size=(count, k)), axis=1).astype(np.float32)


def _records(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (count,) labels of up to four classes, and (count, 3) embeddings."""
    rng = np.random.default_rng(1)
    labels = np.array([5, -2, 2**40, 7])[rng.integers(0, 4, size=count)]
    return labels, rng.normal(size=(count, 3)).astype(np.float32)
