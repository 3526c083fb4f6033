"""The Keras layer that holds what a loss keeps from step to step: class vectors, queues, running averages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from simplug.api import InvalidInputError, Loss
from simplug.api.batch import Batch
from simplug.kernel.config import to_config
from simplug.kernel.registry import REGISTRIES
from simplug.learn.held import hold


@keras.saving.register_keras_serializable(package="simplug")
class Head(keras.layers.Layer):  # type: ignore[misc]
    """A loss as a layer: ``head([embeddings, labels])``.

    A Keras loss can hold no variables: they would be neither trained nor saved. This layer holds them; a model that
    contains it trains the class vectors with its own optimizer and saves them in its ``.keras`` file, whatever its
    mixed precision in float32. :class:`simplug.SimilarityModel` makes one for itself; make one by hand for a model of
    your own. Calling the layer returns the loss, a scalar, and adds it to the model's losses, so that such a model is
    compiled without one.

    Args:
        loss: A loss component, its name or its table.
        name: The name that Keras shows.
        trainable: As in Keras.
        **options: Settings of the loss, such as ``num_classes=10``.

    Raises:
        ComponentError: The name of the loss cannot be used.
        ConfigError: Its settings have mistakes.
    """

    def __init__(
        self,
        loss: Loss | str | Mapping[str, Any],
        name: str | None = None,
        *,
        trainable: bool = True,
        **options: Any,
    ) -> None:
        self.component: Loss = REGISTRIES["loss"].build(loss, **options)
        super().__init__(name=name, trainable=trainable, dtype="float32")
        self.held: dict[str, keras.Variable] = {}

    def build(self, input_shape: Any) -> None:
        """Make the variables, for embeddings and labels of these shapes."""
        embeddings, _ = input_shape
        self.held = hold(self, self.component.state(embeddings[-1]))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the loss of ``[embeddings, labels]``: (n, d) and (n,) integers."""
        embeddings, labels = inputs
        value = self.loss_of(labels, embeddings, training=bool(training))
        self.add_loss(value)
        return value

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> keras.KerasTensor:
        """Return the form of the loss, a scalar."""
        return keras.KerasTensor((), dtype="float32")

    def loss_of(self, labels: Any, embeddings: Any, *, training: bool) -> Any:
        """Return the loss of a batch; in training, what the loss keeps moves first.

        Raises:
            InvalidInputError: The batch is not what the loss takes, or a label is beyond its classes.
        """
        labels = self._checked_when_run(labels)
        batch = self._batch(labels, embeddings, training)
        if training:
            moved = self.component.next_state(batch)
            for name, value in moved.items():
                self.held[name].assign(value)
            if moved:
                batch = self._batch(labels, embeddings, training)
        return self.component.value(batch)

    def logits(self, embeddings: Any) -> Any:
        """Return how well embeddings (n, d) fit each class, (n, num_classes), without margin.

        Raises:
            InvalidInputError: The loss has no class vectors.
        """
        if not hasattr(self.component, "logits"):
            raise InvalidInputError(f"{type(self.component).__name__} has no class vectors to score embeddings by")
        return self.component.logits(embeddings, self._state())

    def get_config(self) -> dict[str, Any]:
        """Return what :func:`keras.saving.deserialize_keras_object` needs: the table of the loss, never a class."""
        return {"name": self.name, "trainable": self.trainable, "loss": to_config(self.component)}

    def _batch(self, labels: Any, embeddings: Any, training: bool) -> Batch:
        return self.component.batch(labels, embeddings, state=self._state(), training=training)

    def _state(self) -> dict[str, Any]:
        return {name: variable.value for name, variable in self.held.items()}

    def _checked_when_run(self, labels: Any) -> Any:
        """Put the check of labels into TensorFlow's graph, where their values are not known yet.

        What is returned waits for the check: TensorFlow runs operations side by side, and one that takes the labels
        might otherwise fail first, in words of its own.
        """
        limit = self.component.label_limit
        if limit is None or labels is None or keras.backend.backend() != "tensorflow":
            return labels
        import tensorflow as tf

        if tf.executing_eagerly():
            return labels
        labels = tf.convert_to_tensor(labels)
        what = f"{type(self.component).__name__}.num_classes is {limit}, so labels go from 0 to {limit - 1}"
        wide = tf.cast(labels, tf.int64)
        checks = [
            tf.debugging.assert_less(wide, tf.constant(limit, tf.int64), message=what),
            tf.debugging.assert_non_negative(wide, message=what),
        ]
        with tf.control_dependencies(checks):
            return tf.identity(labels)
