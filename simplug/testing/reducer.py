"""The checks of reducers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from simplug.api import Reducer, Term
from simplug.testing.batches import shuffled
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form
from simplug.testing.tensors import array, gradient, in_graph, in_xla

VALUES = np.random.default_rng(0).uniform(0.1, 2.0, size=(6, 5)).astype(np.float32)
WEIGHTS = (np.random.default_rng(1).uniform(size=(6, 5)) < 0.5).astype(np.float32)


LABELS = np.arange(6, dtype=np.int32) % 3


class ReducerSuite(ComponentSuite):
    """Checks that a reducer turns weighted values into a scalar, or into one value an anchor, and nothing into 0.

    Which of the two is what its class says by ``scalar``.
    """

    kind: ClassVar[str] = "reducer"
    number_of_checks: ClassVar[int] = 28

    def test_it_is_a_finite_scalar(self, component: Reducer) -> None:
        """A float32 scalar, for matrices and for vectors; one value an anchor if the class is not `scalar`."""
        for values, weights in ((VALUES, WEIGHTS), (VALUES[:, 0], WEIGHTS[:, 0])):
            value = _reduce(component, values, weights)
            assert form(value) == (() if component.scalar else (len(values),), "float32")
            assert np.isfinite(value).all()

    def test_no_weight_gives_zero(self, component: Reducer) -> None:
        """Nothing to learn from is loss 0 with gradient 0."""
        assert not np.any(_reduce(component, VALUES, 0 * WEIGHTS))
        assert not np.any(gradient(_total(component, 0 * WEIGHTS), VALUES))

    def test_values_of_zero_give_zero(self, component: Reducer) -> None:
        """Pairs that are far enough cost nothing, and have a finite gradient."""
        assert not np.any(_reduce(component, 0 * VALUES, WEIGHTS))
        assert np.isfinite(gradient(_total(component, WEIGHTS), 0 * VALUES)).all()

    def test_a_single_element_is_kept(self, component: Reducer) -> None:
        """One value alone is finite and above zero."""
        value = _reduce(component, np.array([3.0], np.float32), np.array([1.0], np.float32))
        assert np.isfinite(value).all()
        assert (value > 0).all()

    def test_it_scales_with_the_values(self, component: Reducer) -> None:
        """Ten times the values are ten times the loss."""
        np.testing.assert_allclose(
            _reduce(component, 10 * VALUES, WEIGHTS), 10 * _reduce(component, VALUES, WEIGHTS), rtol=1e-4
        )

    def test_the_order_does_not_matter(self, component: Reducer) -> None:
        """Examples may come in any order; what is one value an anchor comes in theirs."""
        order = shuffled(len(VALUES))
        value = _reduce(component, VALUES, WEIGHTS)
        np.testing.assert_allclose(
            _reduce(component, VALUES[order], WEIGHTS[order], LABELS[order]),
            value if component.scalar else value[order],
            rtol=1e-5,
        )

    def test_what_has_no_weight_does_not_count(self, component: Reducer) -> None:
        """Values with weight 0 change neither the loss nor the gradient of the others."""
        other = np.where(WEIGHTS > 0, VALUES, np.float32(1e6))
        np.testing.assert_allclose(_reduce(component, other, WEIGHTS), _reduce(component, VALUES, WEIGHTS), rtol=1e-5)
        slope = gradient(_total(component, WEIGHTS), VALUES)
        assert np.isfinite(slope).all()
        assert not np.any(slope[WEIGHTS == 0])
        assert np.any(slope[WEIGHTS > 0])

    def test_counts_of_active_losses_are_accepted(self, component: Reducer) -> None:
        """A term whose elements stand for several losses says how many of them are above zero."""
        value = array(component.reduce(Term(VALUES, 4 * WEIGHTS, active=2 * WEIGHTS), LABELS))
        assert value.shape == (() if component.scalar else (len(VALUES),))
        assert np.isfinite(value).all()
        nothing = component.reduce(Term(0 * VALUES, 0 * WEIGHTS, active=0 * WEIGHTS), LABELS)
        assert not np.any(array(nothing))

    def test_terms_are_added(self, component: Reducer) -> None:
        """The loss is the sum of its reduced terms."""
        both = component({"positive": Term(VALUES, WEIGHTS), "negative": Term(2 * VALUES, 1 - WEIGHTS)}, LABELS)
        apart = _reduce(component, VALUES, WEIGHTS) + _reduce(component, 2 * VALUES, 1 - WEIGHTS)
        np.testing.assert_allclose(array(both), apart, rtol=1e-5)

    def test_large_batches_do_not_overflow(self, component: Reducer) -> None:
        """A million elements near the top of the range of losses have a finite value."""
        values, weights = np.full((1000, 1000), 1e4, np.float32), np.ones((1000, 1000), np.float32)
        assert np.isfinite(_reduce(component, values, weights, np.arange(1000, dtype=np.int32) % 3)).all()

    def test_graph_mode_gives_the_same(self, component: Reducer) -> None:
        """Traced once for batches of any length."""
        (value,) = in_graph(_reducing(component), VALUES, WEIGHTS, LABELS)
        np.testing.assert_allclose(value, _reduce(component, VALUES, WEIGHTS), rtol=1e-5)

    def test_xla_gives_the_same(self, component: Reducer) -> None:
        """Under `jit_compile=True`."""
        (value,) = in_xla(_reducing(component), VALUES, WEIGHTS, LABELS)
        np.testing.assert_allclose(value, _reduce(component, VALUES, WEIGHTS), rtol=1e-5)


def _reducing(component: Reducer) -> Callable[[Any, Any, Any], Any]:
    return lambda values, weights, labels: component.reduce(Term(values, weights), labels)


def _total(component: Reducer, weights: np.ndarray) -> Callable[[Any], Any]:
    """Return the function from values to the sum of what becomes of them."""
    from keras import ops

    return lambda values: ops.sum(component.reduce(Term(values, ops.convert_to_tensor(weights)), LABELS))


def _reduce(
    component: Reducer, values: np.ndarray, weights: np.ndarray, labels: np.ndarray | None = None
) -> np.ndarray:
    from keras import ops

    term = Term(ops.convert_to_tensor(values), ops.convert_to_tensor(weights))
    labels = LABELS[: len(values)] if labels is None else labels
    return array(component.reduce(term, ops.convert_to_tensor(labels)))
