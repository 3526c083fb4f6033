"""A model from the user's own file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from simplug.api import InvalidInputError, option
from simplug_backbones.trunk_and_head import TrunkAndHead
from simplug_backbones.weights import load_model

if TYPE_CHECKING:
    import keras


@attrs.frozen(kw_only=True)
class Saved(TrunkAndHead):
    """A model that was saved as a ``.keras`` file, as trunk of an encoder.

    The file is read in Keras's safe mode: it can bring no code. A model of embeddings is used as it is by
    ``embedding_dim = "none"``; of a classifier, `until` names the layer before those that are left out.
    """

    path: str = option(doc="the .keras file")
    until: str | None = option(None, doc="the last layer that is used; none: all of them are")
    rescale: float = option(1.0, gt=0, doc="what inputs are multiplied by before the saved model gets them")
    freeze: tuple[str, ...] = option(
        (),
        doc="layers whose names begin with one of these are not trained, their batch normalisation neither; 'trunk' "
        "is everything before the pooling",
    )

    def trunk(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the saved model, up to the layer `until`.

        Args:
            input_shape: The shape of one example; it must be the one that the model was made for.

        Raises:
            InvalidInputError: The shape is another, there is no layer named `until`, or a prefix of `freeze` begins no
                layer's name.
            ArtifactError: The file is missing or holds no functional or sequential model.
        """
        model = load_model(self.path, "saved")
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise InvalidInputError(
                f"backbone saved: the model in {self.path} has {len(model.inputs)} inputs and {len(model.outputs)} "
                "outputs; one of each is needed"
            )
        taken = tuple(model.inputs[0].shape)[1:]
        if not _fits(taken, input_shape):
            raise InvalidInputError(
                f"backbone saved: the model in {self.path} takes examples of shape {taken}, not {tuple(input_shape)}"
            )
        import keras
        from keras import layers

        from simplug.api.layers import freeze

        network = keras.Model(model.inputs[0], self._end(model), name=model.name)
        inputs = keras.Input(input_shape, name="examples", dtype=None if self.rescale != 1 else model.inputs[0].dtype)
        x: Any = inputs
        if self.rescale != 1:
            x = layers.Rescaling(self.rescale, dtype="float32", name="rescaling")(x)
        trunk = keras.Model(inputs, network(x), name="trunk")
        freeze(trunk, self.freeze)
        return trunk

    def _end(self, model: keras.Model) -> Any:
        import keras

        if self.until is None:
            return model.outputs[0]
        found = [layer for layer in model.layers if layer.name == self.until]
        if not found:
            names = ", ".join(layer.name for layer in model.layers)
            raise InvalidInputError(
                f"backbone saved: the model in {self.path} has no layer '{self.until}'; its layers are {names}"
            )
        # A model inside of a model gives the output of its own graph by that name; as a layer it has one in this graph.
        return keras.layers.Layer.output.fget(found[0])


def _fits(taken: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    return len(taken) == len(given) and all(
        want is None or want == have for want, have in zip(taken, given, strict=True)
    )
