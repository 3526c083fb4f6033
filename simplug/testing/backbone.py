"""The checks of backbones."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from simplug.api import Backbone, InvalidInputError
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form


class BackboneSuite(ComponentSuite):
    """Checks that a backbone is a Keras model from inputs as a data set gives them to float32 embeddings.

    Attributes:
        input_shape: The shape of one example in the tests.
        input_dtype: Its dtype.
        wrong_shape: A shape that the backbone must refuse.
    """

    kind: ClassVar[str] = "backbone"
    number_of_checks: ClassVar[int] = 26
    input_shape: ClassVar[tuple[int, ...]] = (28, 28, 1)
    input_dtype: ClassVar[str] = "uint8"
    wrong_shape: ClassVar[tuple[int, ...]] = ()

    def test_it_builds_a_model_of_its_input_shape(self, component: Backbone) -> None:
        """A functional Keras model with one input and one output."""
        import keras

        model = component.build(self.input_shape)
        assert isinstance(model, keras.Model)
        assert tuple(model.input_shape) == (None, *self.input_shape)
        assert len(model.output_shape) == 2

    def test_embeddings_are_finite_float32_rows(self, component: Backbone) -> None:
        """(n, *input_shape) as the data set gives it to (n, d); scaling is the model's work."""
        model = component.build(self.input_shape)
        embeddings = self._embed(model)
        assert form(embeddings) == ((5, model.output_shape[1]), "float32")
        assert np.isfinite(embeddings).all()

    def test_different_inputs_have_different_embeddings(self, component: Backbone) -> None:
        """An untrained network must not throw its input away."""
        assert np.ptp(self._embed(component.build(self.input_shape)), axis=0).any()

    def test_zeros_are_finite(self, component: Backbone) -> None:
        """A black image has an embedding, too."""
        model = component.build(self.input_shape)
        zeros = np.zeros((2, *self.input_shape), self.input_dtype)
        assert np.isfinite(np.asarray(model.predict(zeros, verbose=0))).all()

    def test_an_embedding_depends_on_its_input_alone(self, component: Backbone) -> None:
        """In use, not in training, the others of the batch make no difference."""
        model = component.build(self.input_shape)
        alone = np.asarray(model.predict(self._inputs(), batch_size=1, verbose=0))
        np.testing.assert_allclose(alone, self._embed(model), rtol=1e-4, atol=1e-5)

    def test_the_gradient_reaches_every_weight(self, component: Backbone) -> None:
        """Everything that is trainable is trained."""
        import tensorflow as tf

        model = component.build(self.input_shape)
        target = np.random.default_rng(1).normal(size=(5, model.output_shape[1])).astype(np.float32)
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.square(model(self._inputs(), training=True) - target))
        gradients = tape.gradient(value, [weight.value for weight in model.trainable_weights])
        assert gradients
        for weight, slope in zip(model.trainable_weights, gradients, strict=True):
            assert slope is not None, f"{weight.path} has no gradient"
            assert np.isfinite(np.asarray(slope)).all(), weight.path

    # Keras reads and writes HDF5 through an interface that NumPy 2 has replaced.
    @pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
    def test_a_saved_model_gives_equal_embeddings(self, component: Backbone, tmp_path: Path) -> None:
        """The .keras file holds everything, and Keras' safe mode reads it."""
        import keras

        model = component.build(self.input_shape)
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(self._embed(again), self._embed(model))

    def test_each_build_is_a_new_model(self, component: Backbone) -> None:
        """No weights are shared."""
        one, other = component.build(self.input_shape), component.build(self.input_shape)
        assert not {id(weight) for weight in one.weights} & {id(weight) for weight in other.weights}

    def test_a_wrong_shape_is_refused(self, component: Backbone) -> None:
        """An InvalidInputError, not an error of some layer deep inside."""
        with pytest.raises(InvalidInputError):
            component.build(self.wrong_shape)

    def test_mixed_precision_gives_float32_embeddings(self, component: Backbone) -> None:
        """Half precision is for the layers inside; distances need float32."""
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            model = component.build(self.input_shape)
            embeddings = self._embed(model)
        finally:
            keras.config.set_dtype_policy(before)
        assert embeddings.dtype == np.float32
        assert np.isfinite(embeddings).all()

    def _inputs(self) -> np.ndarray:
        numbers = np.random.default_rng(0).uniform(0, 255, size=(5, *self.input_shape))
        return numbers.astype(self.input_dtype)

    def _embed(self, model: object) -> np.ndarray:
        return np.asarray(model.predict(self._inputs(), verbose=0))  # type: ignore[attr-defined]
