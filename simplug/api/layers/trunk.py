"""The part of an encoder before its pooling."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="simplug")
class Trunk(keras.Model):  # type: ignore[misc]
    """A functional model that runs as in use while it is frozen, in training, too.

    ``trainable = False`` keeps Keras's batch normalisation still, but not its dropout; and the argument
    ``training=False`` of a model inside of a model is overridden by ``fit``. Here all of the layers follow, so that
    what a frozen trunk gives depends on its inputs alone.

    Args:
        inputs: The input of a functional Keras model.
        outputs: Its output.
        name: As in Keras.
        **kwargs: As in Keras.
    """

    # Keras restores a functional model from its file only if the arguments have these very names.
    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs; a frozen trunk ignores `training`."""
        return super().call(inputs, training=training if self.trainable else False, mask=mask)
