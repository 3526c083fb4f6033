"""The checks of distances."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from simplug.api import Distance
from simplug.testing.batches import DIM, embeddings
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form
from simplug.testing.tensors import array, gradient, in_graph, in_xla


class DistanceSuite(ComponentSuite):
    """Checks that a distance is one definition, in Keras ops and in NumPy, with finite gradients everywhere."""

    kind: ClassVar[str] = "distance"
    number_of_checks: ClassVar[int] = 35

    def test_the_shape_is_queries_by_references(self, component: Distance) -> None:
        """(n, d) and (m, d) give (n, m): float32 in Keras, float64 in NumPy."""
        queries, references = embeddings(3), embeddings(5, seed=1)
        tensor, values = array(component(queries, references)), component.numpy(queries, references)
        assert form(tensor) == ((3, 5), "float32")
        assert form(values) == ((3, 5), "float64")

    def test_keras_and_numpy_agree_on_random_rows(self, component: Distance) -> None:
        """One definition, to 1e-5."""
        self._agree(component, embeddings(9), embeddings(7, seed=1))

    def test_keras_and_numpy_agree_on_equal_rows(self, component: Distance) -> None:
        """One definition, to 1e-5, where differences vanish."""
        rows = embeddings(6)
        self._agree(component, rows, np.concatenate([rows, rows]))

    def test_keras_and_numpy_agree_on_zero_rows(self, component: Distance) -> None:
        """One definition, to 1e-5, unless the distance says that it has none there."""
        rows = np.concatenate([embeddings(3), np.zeros((2, DIM), np.float32)])
        invalid, _ = component.invalid_rows(rows)
        self._agree(component, rows[~invalid], rows[~invalid])

    def test_keras_and_numpy_agree_in_one_dimension(self, component: Distance) -> None:
        """One definition, to 1e-5, for embeddings of a single number, unless the distance has none there."""
        rows = embeddings(6, dim=1)
        invalid, _ = component.invalid_rows(rows)
        self._agree(component, rows[~invalid], rows[~invalid])

    def test_the_gradient_is_finite_at_equal_rows(self, component: Distance) -> None:
        """Also where a norm or a square root has none."""
        rows = embeddings(4)
        assert np.isfinite(self._gradient(component, rows, rows)).all()

    def test_the_gradient_is_finite_at_zero_rows(self, component: Distance) -> None:
        """Also for rows that an index would refuse: a loss meets them."""
        zeros = np.zeros((3, DIM), np.float32)
        assert np.isfinite(array(component(zeros, zeros))).all()
        assert np.isfinite(self._gradient(component, zeros, zeros)).all()
        assert np.isfinite(self._gradient(component, zeros, embeddings(4))).all()

    def test_the_gradient_flows_to_both_sides(self, component: Distance) -> None:
        """Queries and references are both learned."""
        queries, references = embeddings(4), embeddings(5, seed=1)
        assert np.any(gradient(lambda rows: _total(component(rows, references)), queries))
        assert np.any(gradient(lambda rows: _total(component(queries, rows)), references))

    def test_half_precision_is_computed_in_float32(self, component: Distance) -> None:
        """float16 and bfloat16 rows have float32 distances, those of the same numbers, and finite gradients."""
        from keras import ops

        queries, references = embeddings(4), embeddings(5, seed=1)
        for dtype in ("float16", "bfloat16"):
            halves = [ops.cast(rows, dtype) for rows in (queries, references)]
            values = array(component(*halves))
            exact = component.numpy(*(array(ops.cast(rows, "float32")) for rows in halves))
            assert values.dtype == np.float32, dtype
            np.testing.assert_allclose(values, exact, rtol=1e-5, atol=1e-5, err_msg=dtype)
            slope = gradient(lambda rows: _total(component(rows, rows)), queries, dtype)
            assert np.isfinite(slope).all(), dtype

    def test_nearer_is_smaller(self, component: Distance) -> None:
        """Smaller means nearer, always."""
        anchor = np.zeros((1, DIM), np.float32)
        anchor[0, 0] = 1
        near, far = anchor * 0.9, anchor * -1
        near[0, 1], far[0, 1] = 0.1, 0.3
        distances = component.numpy(anchor, np.concatenate([near, far]))[0]
        assert distances[0] < distances[1]

    def test_its_space_gives_the_same_distances(self, component: Distance) -> None:
        """The plain geometry of prepared vectors, taken back, is the distance: engines rely on it."""
        assert component.space in (None, "l2", "ip", "l1")
        queries, references = embeddings(9), embeddings(7, seed=1)
        if component.space is None:
            np.testing.assert_array_equal(component.prepare(queries), queries)
            np.testing.assert_array_equal(component.from_space(queries), queries)
            return
        plain = _plain(component.space, component.prepare(queries), component.prepare(references))
        np.testing.assert_allclose(
            component.from_space(plain), component.numpy(queries, references), rtol=1e-4, atol=1e-5
        )

    def test_its_space_keeps_the_order(self, component: Distance) -> None:
        """What is nearer in the plain geometry is nearer by the distance: engines rank there."""
        references = embeddings(50, seed=1)
        for query in embeddings(5)[:, None]:
            distances = component.numpy(query, references)[0]
            if component.space is not None:
                plain = _plain(component.space, component.prepare(query), component.prepare(references))[0]
                distances = distances[np.argsort(plain)]
                assert (np.diff(distances) >= -1e-6 * np.abs(distances).max()).all()
            assert np.isfinite(distances).all()

    def test_preparing_keeps_shape_and_input(self, component: Distance) -> None:
        """`prepare` returns (n, d) float32 and leaves what it was given as it is."""
        rows = embeddings(6)
        before = rows.copy()
        prepared = component.prepare(rows)
        assert form(prepared) == (rows.shape, "float32")
        component.numpy(rows, rows)
        np.testing.assert_array_equal(rows, before)

    def test_a_query_is_prepared_alike_in_one_step(self, component: Distance) -> None:
        """`prepare_query` gives what `prepare` gives, or None; always None for what is not plainly valid."""
        vectors = embeddings(50, dim=DIM)
        for vector in vectors:
            prepared = component.prepare_query(vector)
            if prepared is not None:
                assert form(prepared) == ((1, DIM), "float32")
                np.testing.assert_allclose(prepared, component.prepare(vector[None]), rtol=1e-6)
        odd = np.stack([np.zeros(DIM), np.ones(DIM), np.full(DIM, 1e30), *np.eye(DIM)[:2]]).astype(np.float32)
        invalid, _ = component.invalid_rows(odd)
        for vector, is_invalid in zip(odd, invalid, strict=True):
            assert component.prepare_query(vector) is None or not is_invalid
        for bad in (np.nan, np.inf, -np.inf):
            vector = vectors[0].copy()
            vector[3] = bad
            assert component.prepare_query(vector) is None

    def test_preparing_is_free(self, component: Distance) -> None:
        """It changes no distance, and nothing when it is done again: an index keeps prepared vectors."""
        queries, references = embeddings(5), 3 * embeddings(7, seed=1)
        prepared = component.prepare(queries), component.prepare(references)
        expected = component.numpy(queries, references)
        np.testing.assert_allclose(component.numpy(*prepared), expected, rtol=1e-5, atol=1e-6)
        for once in prepared:
            np.testing.assert_allclose(component.prepare(once), once, rtol=1e-6, atol=1e-7)

    def test_no_rows_give_an_empty_matrix(self, component: Distance) -> None:
        """No queries or no references are no error."""
        some, none = embeddings(3), np.zeros((0, DIM), np.float32)
        for queries, references in ((none, some), (some, none), (none, none)):
            shape = (len(queries), len(references))
            assert component.numpy(queries, references).shape == shape
            assert array(component(queries, references)).shape == shape

    def test_invalid_rows_are_a_mask_with_a_reason(self, component: Distance) -> None:
        """Ordinary rows are valid; what is refused is refused with a reason."""
        rows = np.concatenate([embeddings(3), np.zeros((1, DIM), np.float32)])
        invalid, reason = component.invalid_rows(rows)
        assert form(invalid) == ((4,), "bool")
        assert not invalid[:3].any()
        assert not invalid.any() or reason.strip()
        assert np.isfinite(component.numpy(rows[~invalid], rows[~invalid])).all()

    def test_graph_mode_gives_the_same(self, component: Distance) -> None:
        """Traced once for batches of any length."""
        queries, references = embeddings(4), embeddings(5, seed=1)
        (values,) = in_graph(component, queries, references)
        np.testing.assert_allclose(values, array(component(queries, references)), rtol=1e-5, atol=1e-6)

    def test_xla_gives_the_same(self, component: Distance) -> None:
        """Under `jit_compile=True`."""
        queries, references = embeddings(4), embeddings(5, seed=1)
        (values,) = in_xla(component, queries, references)
        np.testing.assert_allclose(values, array(component(queries, references)), rtol=1e-5, atol=1e-5)

    @staticmethod
    def _agree(component: Distance, queries: np.ndarray, references: np.ndarray) -> None:
        tensor = array(component(queries, references))
        np.testing.assert_allclose(tensor, component.numpy(queries, references), rtol=1e-5, atol=1e-5)

    @staticmethod
    def _gradient(component: Distance, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
        own = gradient(lambda rows: _total(component(rows, rows)), queries)
        left = gradient(lambda rows: _total(component(rows, references)), queries)
        right = gradient(lambda rows: _total(component(queries, rows)), references)
        return np.concatenate([own, left, right])


def _total(distances: Any) -> Any:
    from keras import ops

    return ops.sum(distances)


def _plain(space: str, queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return what an engine of a space measures, in float64."""
    left, right = queries.astype(np.float64)[:, None], references.astype(np.float64)[None]
    if space == "ip":
        return np.asarray(1 - (left * right).sum(-1))
    return np.asarray(np.abs(left - right).sum(-1) if space == "l1" else np.square(left - right).sum(-1))
