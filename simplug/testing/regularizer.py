"""The checks of regularizers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from simplug.api import Regularizer
from simplug.testing.batches import DIM, embeddings, shuffled
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form
from simplug.testing.tensors import array, gradient, in_graph, in_xla


class RegularizerSuite(ComponentSuite):
    """Checks that a regularizer is a finite penalty with a finite gradient, whatever the vectors."""

    kind: ClassVar[str] = "regularizer"
    number_of_checks: ClassVar[int] = 24

    def test_it_is_a_finite_scalar(self, component: Regularizer) -> None:
        """A float32 scalar."""
        value = array(component(embeddings(6)))
        assert form(value) == ((), "float32")
        assert np.isfinite(value)

    def test_the_gradient_flows(self, component: Regularizer) -> None:
        """Ordinary vectors have a gradient that is finite and not zero."""
        slope = gradient(component, embeddings(6))
        assert np.isfinite(slope).all()
        assert np.any(slope)

    def test_zero_rows_are_finite(self, component: Regularizer) -> None:
        """A norm has no gradient there; the penalty must."""
        rows = np.concatenate([embeddings(3), np.zeros((2, DIM), np.float32)])
        assert np.isfinite(array(component(rows)))
        assert np.isfinite(gradient(component, rows)).all()

    def test_equal_rows_and_a_single_row_are_finite(self, component: Regularizer) -> None:
        """A collapsed model gives such vectors."""
        for rows in (np.repeat(embeddings(1), 4, axis=0), embeddings(1)):
            assert np.isfinite(array(component(rows)))
            assert np.isfinite(gradient(component, rows)).all()

    def test_the_order_of_the_rows_does_not_matter(self, component: Regularizer) -> None:
        """Examples may come in any order."""
        np.testing.assert_allclose(
            array(component(embeddings(6)[shuffled(6)])), array(component(embeddings(6))), rtol=1e-5, atol=1e-7
        )

    def test_half_precision_is_finite(self, component: Regularizer) -> None:
        """float16 and bfloat16 vectors have a finite penalty and gradient."""
        from keras import ops

        for dtype in ("float16", "bfloat16"):
            assert np.isfinite(array(ops.cast(component(ops.cast(embeddings(6), dtype)), "float32"))), dtype
            assert np.isfinite(gradient(component, embeddings(6), dtype)).all(), dtype

    def test_graph_mode_gives_the_same(self, component: Regularizer) -> None:
        """Traced once for batches of any length."""
        (value,) = in_graph(component, embeddings(6))
        np.testing.assert_allclose(value, array(component(embeddings(6))), rtol=1e-5, atol=1e-7)

    def test_xla_gives_the_same(self, component: Regularizer) -> None:
        """Under `jit_compile=True`."""
        (value,) = in_xla(component, embeddings(6))
        np.testing.assert_allclose(value, array(component(embeddings(6))), rtol=1e-5, atol=1e-6)
