"""The variables of a layer that hold what a loss keeps from step to step."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from simplug.api import Weight


def hold(layer: keras.layers.Layer, weights: Mapping[str, Weight]) -> dict[str, keras.Variable]:
    """Give a layer a variable for each weight that a loss declares, and return them by the loss's own names."""
    return {
        name: layer.add_weight(
            name=name.replace(".", "_"),
            shape=weight.shape,
            initializer=keras.initializers.get(weight.initializer),
            trainable=weight.trainable,
            dtype=weight.dtype,
            autocast=False,
            # Replicas that train together move it alike, each by the whole batch.
            aggregation="none" if weight.trainable else "only_first_replica",
        )
        for name, weight in weights.items()
    }
