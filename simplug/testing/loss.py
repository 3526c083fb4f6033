"""The checks of losses."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from simplug.api import InvalidInputError, Loss
from simplug.api.state import initial_state
from simplug.testing.batches import DIM, embeddings, labels, shuffled
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form
from simplug.testing.tensors import array, gradient, in_graph, in_xla, value_and_gradient


class LossSuite(ComponentSuite):
    """Checks that a loss is a finite scalar with a finite gradient for every batch, and the same in every mode.

    A loss with class vectors needs at least 6 classes: ``config = {"num_classes": 6}``. What a loss keeps starts as it
    declares, drawn with a fixed seed, and has moved once before the loss is looked at, as in training. A batch of
    views is the 12 embeddings of the others, 6 examples seen twice.
    """

    kind: ClassVar[str] = "loss"
    number_of_checks: ClassVar[int] = 36

    def test_it_is_a_finite_scalar(self, component: Loss) -> None:
        """A float32 scalar."""
        value = array(_call(component, labels(4, 3), embeddings(12)))
        assert form(value) == ((), "float32")
        assert np.isfinite(value)

    def test_the_gradient_flows(self, component: Loss) -> None:
        """An ordinary batch has a gradient that is finite and not zero."""
        _, slope = self._differentiated(component, labels(4, 3), embeddings(12))
        assert np.isfinite(slope).all()
        assert np.any(slope)

    def test_what_it_keeps_is_learned(self, component: Loss) -> None:
        """What the loss declares is what it keeps, and each trained part has a gradient, finite and not zero."""
        state = _state(component, labels(4, 3), embeddings(12))
        declared = component.state(DIM)
        assert set(state) == set(declared)
        for name, weight in declared.items():
            held = array(state[name])
            # Not every backend has whole numbers of every width.
            assert (held.shape, held.dtype.kind) == (weight.shape, np.dtype(weight.dtype).kind), name
            if weight.trainable:

                def moved(moving: Any, name: str = name) -> Any:
                    return component(labels(4, 3), embeddings(12), state={**state, name: moving})

                slope = gradient(moved, array(state[name]))
                assert np.isfinite(slope).all(), name
                assert np.any(slope), name

    def test_the_order_of_the_batch_does_not_matter(self, component: Loss) -> None:
        """Examples may come in any order."""
        order = shuffled(12)
        if component.compares == "views":
            order = np.concatenate([shuffled(6), 6 + shuffled(6)])
        value = array(_call(component, labels(4, 3), embeddings(12)))
        moved = array(_call(component, labels(4, 3)[order], embeddings(12)[order]))
        np.testing.assert_allclose(moved, value, rtol=1e-4, atol=1e-6)

    def test_the_order_of_the_references_does_not_matter(self, component: Loss) -> None:
        """References may come in any order; those that are second views move with the first."""
        if not component.takes_references:
            self._refused(component, labels(4, 3), embeddings(12), labels(4, 2), embeddings(8))
            return
        own, refs, count = (labels(4, 3), embeddings(12)), (labels(4, 2), embeddings(8, seed=2)), 8
        if component.compares == "views":
            own, refs, count = (labels(4, 3), embeddings(12)), (labels(4, 3), embeddings(12, seed=2)), 12
        order = shuffled(count)
        value = array(_call(component, *own, *refs))
        if component.compares == "views":
            own = own[0][order], own[1][order]
        moved = array(_call(component, *own, *(part[order] for part in refs)))
        np.testing.assert_allclose(moved, value, rtol=1e-4, atol=1e-6)

    def test_the_names_of_the_classes_do_not_matter(self, component: Loss) -> None:
        """Labels say which examples are alike, no more; where they number class vectors, others are refused."""
        renamed = np.array([70, -3, 5, 0], np.int32)[labels(4, 3)]
        if component.label_limit is not None:
            self._refused(component, renamed, embeddings(12))
            return
        value = array(_call(component, labels(4, 3), embeddings(12)))
        np.testing.assert_allclose(array(_call(component, renamed, embeddings(12))), value, rtol=1e-5, atol=1e-6)

    def test_a_batch_of_one_class_is_finite(self, component: Loss) -> None:
        """There are no negatives."""
        self._finite(component, np.zeros(6, np.int32), embeddings(6))

    def test_a_batch_without_positives_is_finite(self, component: Loss) -> None:
        """Every example has a class of its own."""
        self._finite(component, np.arange(6, dtype=np.int32), embeddings(6))

    def test_equal_embeddings_are_finite(self, component: Loss) -> None:
        """A collapsed model gives such batches."""
        self._finite(component, labels(3, 2), np.repeat(embeddings(1), 6, axis=0))

    def test_zero_embeddings_are_finite(self, component: Loss) -> None:
        """So does a dead one."""
        self._finite(component, labels(3, 2), np.zeros((6, DIM), np.float32))

    def test_far_embeddings_are_finite(self, component: Loss) -> None:
        """Exponentials must not overflow."""
        self._finite(component, labels(4, 3), 100 * embeddings(12))

    def test_a_single_example_gives_zero(self, component: Loss) -> None:
        """A batch without a valid pair has loss 0 and gradient 0; with views or class vectors, both are finite."""
        if component.compares != "pairs":
            self._finite(component, labels(1, 2), embeddings(2))
            return
        value, slope = self._differentiated(component, labels(1, 1), embeddings(1))
        assert value == 0
        assert not np.any(slope)

    def test_half_precision_is_computed_in_float32(self, component: Loss) -> None:
        """float16 and bfloat16 embeddings give a float32 loss, that of the same numbers in float32."""
        from keras import ops

        for dtype in ("float16", "bfloat16"):
            halves = ops.cast(embeddings(12), dtype)
            value, slope = self._differentiated(component, labels(4, 3), halves)
            exact = array(_call(component, labels(4, 3), ops.cast(halves, "float32")))
            assert value.dtype == np.float32, dtype
            np.testing.assert_allclose(value, exact, rtol=1e-3, atol=1e-5, err_msg=dtype)
            assert np.isfinite(slope).all(), dtype

    def test_graph_mode_gives_the_same(self, component: Loss) -> None:
        """Traced once for batches of any length."""
        (value,) = in_graph(_calling(component), labels(4, 3), embeddings(12))
        expected = array(_call(component, labels(4, 3), embeddings(12)))
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)

    def test_xla_gives_the_same(self, component: Loss) -> None:
        """Under `jit_compile=True`."""
        (value,) = in_xla(_calling(component), labels(4, 3), embeddings(12))
        expected = array(_call(component, labels(4, 3), embeddings(12)))
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)

    def test_labels_may_be_a_column_of_any_integers(self, component: Loss) -> None:
        """(n,) and (n, 1), of any integer dtype."""
        value = array(_call(component, labels(4, 3), embeddings(12)))
        for dtype, shape in (("int64", (12,)), ("uint8", (12,)), ("int64", (12, 1)), ("int32", (12, 1))):
            given = labels(4, 3).astype(dtype).reshape(shape)
            found = array(_call(component, given, embeddings(12)))
            np.testing.assert_allclose(found, value, rtol=1e-6, atol=1e-7)

    def test_references_may_differ_in_number(self, component: Loss) -> None:
        """Anchors are compared with references of their own, and both are learned; second views are as many."""
        own, refs, ref_labels = embeddings(12), embeddings(8, seed=2), labels(4, 2)
        if component.compares == "views":
            self._refused(component, labels(4, 3), own, ref_labels, refs)
            return
        if not component.takes_references:
            self._refused(component, labels(4, 3), own, ref_labels, refs)
            return
        assert np.isfinite(array(_call(component, labels(4, 3), own, ref_labels, refs)))
        state = _state(component, labels(4, 3), own)
        for slope in (
            gradient(lambda rows: component(labels(4, 3), rows, ref_labels, refs, state=state), own),
            gradient(lambda rows: component(labels(4, 3), own, ref_labels, rows, state=state), refs),
        ):
            assert np.isfinite(slope).all()
            assert np.any(slope)

    def test_bad_input_is_refused(self, component: Loss) -> None:
        """Lengths that differ, labels that are no integers, embeddings of another rank, half a reference set."""
        good = labels(4, 3), embeddings(12)
        bad: list[tuple[Any, ...]] = [
            (good[0][:-1], good[1]),
            (good[0].astype(np.float32), good[1]),
            (good[0].reshape(6, 2), good[1]),
            (good[0], good[1][:, :, None]),
            (*good, good[0], None),
            (*good, None, good[1]),
            (*good, good[0][:-1], good[1]),
        ]
        if component.compares == "views":
            bad.append((good[0][:-1], good[1][:-1]))
        for arguments in bad:
            self._refused(component, *arguments)

    def test_gradient_descent_lowers_it(self, component: Loss) -> None:
        """Steps against the gradient make it smaller."""
        rows = embeddings(12)
        state = _state(component, labels(4, 3), rows)
        first = array(component(labels(4, 3), rows, state=state))
        for _ in range(10):
            slope = gradient(lambda moving: component(labels(4, 3), moving, state=state), rows)
            rows = rows - 0.1 * slope / max(float(np.linalg.norm(slope)), 1e-12)
        assert array(component(labels(4, 3), rows, state=state)) < first

    def test_a_keras_loss_of_it_survives_saving(self, component: Loss) -> None:
        """The loss of a compiled model comes back from its config as the same component."""
        import json

        import keras

        from simplug.learn.loss import ComponentLoss

        adapted = ComponentLoss(component)
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(adapted)))
        again = keras.saving.deserialize_keras_object(config)
        assert again.component == component
        if component.state(DIM):
            with pytest.raises(InvalidInputError, match="SimilarityModel"):
                again(labels(4, 3), embeddings(12))
            return
        np.testing.assert_allclose(
            array(again(labels(4, 3), embeddings(12))), array(component(labels(4, 3), embeddings(12))), rtol=1e-6
        )

    def _finite(self, component: Loss, given: np.ndarray, rows: np.ndarray) -> None:
        value, slope = self._differentiated(component, given, rows)
        assert np.isfinite(value)
        assert np.isfinite(slope).all()

    def _refused(self, component: Loss, *arguments: Any) -> None:
        state = _fresh_state(component)
        with pytest.raises(InvalidInputError):
            component(*arguments, state=state)

    @staticmethod
    def _differentiated(component: Loss, given: np.ndarray, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        return value_and_gradient(lambda moving: _call(component, given, moving), rows)


def _fresh_state(component: Loss) -> dict[str, Any]:
    import keras

    declared = component.state(DIM)
    if declared:
        keras.utils.set_random_seed(3)
    return initial_state(declared)


def _state(component: Loss, given: Any, rows: Any) -> dict[str, Any]:
    """Return what a loss keeps, once it has moved with a batch."""
    return _moved(component, given, rows, _fresh_state(component))


def _moved(component: Loss, given: Any, rows: Any, state: dict[str, Any]) -> dict[str, Any]:
    if not state:
        return state
    return {**state, **component.next_state(component.batch(given, rows, state=state))}


def _call(component: Loss, given: Any, rows: Any, *references: Any) -> Any:
    """Return the loss of a batch as in training: what it keeps moves first."""
    return component(given, rows, *references, state=_state(component, given, rows))


def _calling(component: Loss) -> Any:
    """Return that as a function of tensors alone; what the loss keeps at first is made outside of it."""
    fresh = _fresh_state(component)
    return lambda given, rows: component(given, rows, state=_moved(component, given, rows, fresh))
