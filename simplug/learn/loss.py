"""The one class through which Keras sees every loss component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from simplug.api import Loss
from simplug.kernel.registry import REGISTRIES
from simplug.learn.replicas import share_of_loss, whole_batch


@keras.saving.register_keras_serializable(package="simplug")
class ComponentLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss component as a Keras loss.

    Its config is the component's own table, so a saved model names the loss and never a class: a loss of any plugin
    is found again by name, with no import beforehand.

    Args:
        component: A loss, its name, or its table.
        name: The name that Keras shows.
    """

    def __init__(
        self, component: Loss | str | Mapping[str, Any], name: str | None = None, **keras_options: Any
    ) -> None:
        self.component: Loss = REGISTRIES["loss"].build(component)
        super().__init__(name=name or type(self.component).__name__.lower(), **keras_options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of labels (n,) and embeddings (n, d), of all replicas together."""
        from keras import ops

        # Keras casts what it hands to a loss to floats. Labels below 2**24 come back whole; a SimilarityModel does
        # not go this way and has no such limit.
        labels = ops.cast(ops.round(y_true), "int64")
        # Keras divides a mean over examples among the replicas, but leaves one number as it is.
        return share_of_loss(self.component(*whole_batch(self.component, labels, y_pred)))

    def get_config(self) -> dict[str, Any]:
        """Return what :func:`keras.saving.deserialize_keras_object` needs."""
        return {"name": self.name, "component": REGISTRIES["loss"].config_of(self.component)}
