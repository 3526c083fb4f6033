"""The checks of regularizers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from simplug.api import InvalidInputError, Regularizer
from simplug.testing.batches import embeddings, shuffled
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form
from simplug.testing.tensors import array, gradient, in_graph, in_xla


class RegularizerSuite(ComponentSuite):
    """Checks that a regularizer is a finite penalty with a finite gradient, whatever the vectors.

    Attributes:
        rows: The number of vectors, if the settings fix it; None if there may be any number.
    """

    kind: ClassVar[str] = "regularizer"
    number_of_checks: ClassVar[int] = 25
    rows: ClassVar[int | None] = None

    @property
    def vectors(self) -> np.ndarray:
        """Ordinary vectors, in a number that the regularizer takes."""
        return embeddings(self.rows or 6)

    def test_it_is_a_finite_scalar(self, component: Regularizer) -> None:
        """A float32 scalar."""
        value = array(component(self.vectors))
        assert form(value) == ((), "float32")
        assert np.isfinite(value)

    def test_the_gradient_flows(self, component: Regularizer) -> None:
        """Ordinary vectors have a gradient that is finite and not zero."""
        slope = gradient(component, self.vectors)
        assert np.isfinite(slope).all()
        assert np.any(slope)

    def test_zero_rows_are_finite(self, component: Regularizer) -> None:
        """A norm has no gradient there; the penalty must."""
        rows = self.vectors
        rows[-2:] = 0
        for some in (rows, 0 * rows):
            assert np.isfinite(array(component(some)))
            assert np.isfinite(gradient(component, some)).all()

    def test_equal_rows_are_finite(self, component: Regularizer) -> None:
        """A collapsed model gives such vectors."""
        rows = np.repeat(embeddings(1), len(self.vectors), axis=0)
        assert np.isfinite(array(component(rows)))
        assert np.isfinite(gradient(component, rows)).all()

    def test_a_single_row_is_finite_or_refused(self, component: Regularizer) -> None:
        """There may be one vector; where the settings fix another number, that is an InvalidInputError."""
        if self.rows in (None, 1):
            assert np.isfinite(array(component(embeddings(1))))
            assert np.isfinite(gradient(component, embeddings(1))).all()
        else:
            with pytest.raises(InvalidInputError):
                component(embeddings(1))

    def test_the_order_of_the_rows_does_not_matter(self, component: Regularizer) -> None:
        """Examples may come in any order."""
        np.testing.assert_allclose(
            array(component(self.vectors[shuffled(len(self.vectors))])),
            array(component(self.vectors)),
            rtol=1e-5,
            atol=1e-7,
        )

    def test_half_precision_is_finite(self, component: Regularizer) -> None:
        """float16 and bfloat16 vectors have a finite penalty and gradient."""
        from keras import ops

        for dtype in ("float16", "bfloat16"):
            assert np.isfinite(array(ops.cast(component(ops.cast(self.vectors, dtype)), "float32"))), dtype
            assert np.isfinite(gradient(component, self.vectors, dtype)).all(), dtype

    def test_graph_mode_gives_the_same(self, component: Regularizer) -> None:
        """Traced once for batches of any length."""
        (value,) = in_graph(component, self.vectors)
        np.testing.assert_allclose(value, array(component(self.vectors)), rtol=1e-5, atol=1e-7)

    def test_xla_gives_the_same(self, component: Regularizer) -> None:
        """Under `jit_compile=True`."""
        (value,) = in_xla(component, self.vectors)
        np.testing.assert_allclose(value, array(component(self.vectors)), rtol=1e-5, atol=1e-6)
