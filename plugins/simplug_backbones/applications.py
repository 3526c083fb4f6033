"""The models of keras.applications as backbones."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import attrs

from simplug.api import ArtifactError, InvalidInputError, option
from simplug_backbones.families import FAMILY_OF
from simplug_backbones.images import require_image
from simplug_backbones.preprocessing import preprocessed
from simplug_backbones.trunk_and_head import TrunkAndHead
from simplug_backbones.weights import load_weights

if TYPE_CHECKING:
    import keras

IMAGENET = "imagenet"


@attrs.frozen
class Application(TrunkAndHead):
    """A model of keras.applications without its classifier, as trunk of an encoder."""

    weights: str | None = option(
        None,
        doc="a .weights.h5, .h5 or .keras file of the model without its classifier; 'imagenet' downloads Keras's own; "
        "none: begin at random",
    )
    rescale: float = option(1.0, gt=0, doc="what brings pixels to 0..255; 255 for images of 0..1")
    image_size: int | None = option(
        None, ge=1, doc="images are resized to this height and width in the model; none: they are taken as they are"
    )
    freeze: tuple[str, ...] = option(
        (),
        doc="layers whose names begin with one of these are not trained, their batch normalisation neither; 'trunk' "
        "is everything before the pooling",
    )

    @abstractmethod
    def application(self) -> str:
        """Return the name of the model in keras.applications."""

    @property
    def largest_input(self) -> float:
        """What `rescale` brings to 255."""
        return 255 / self.rescale

    def trunk(self, input_shape: tuple[int, ...]) -> keras.Model:
        """Return the preparation of the pixels and the model without its classifier.

        Grey images become three equal channels. Nothing is downloaded unless ``weights`` is ``"imagenet"``.

        Args:
            input_shape: (height, width, 1 or 3).

        Raises:
            InvalidInputError: The input is no grey or RGB image, is too small for the model, or a prefix of `freeze`
                begins no layer's name.
            ArtifactError: The weights cannot be had, or do not fit.
        """
        name = self.application()
        family = FAMILY_OF[name]
        who = _registered(name)
        require_image(who, input_shape, 1)
        sides = input_shape[:2] if self.image_size is None else (self.image_size, self.image_size)
        hint = "; image_size resizes them in the model" if self.image_size is None else " after image_size"
        require_image(who, (*sides, input_shape[2]), family.least, hint)
        if input_shape[2] not in (1, 3):
            raise InvalidInputError(f"backbone {who}: images have 1 channel or 3, not the shape {tuple(input_shape)}")
        import keras
        from keras import layers

        from simplug.api.layers import freeze

        inputs = keras.Input(input_shape, name="images")
        x: Any = inputs
        if self.rescale != 1:
            x = layers.Rescaling(self.rescale, dtype="float32", name="rescaling")(x)
        if self.image_size is not None:
            x = layers.Resizing(*sides, dtype="float32", name="resizing")(x)
        if input_shape[2] == 1:
            x = layers.Concatenate(name="grey_to_rgb")([x, x, x])
        network = self._network((*sides, 3), who)
        trunk = keras.Model(inputs, network(preprocessed(x, family.mode)), name="trunk")
        freeze(trunk, self.freeze)
        return trunk

    def _network(self, shape: tuple[int, ...], who: str) -> keras.Model:
        from keras import applications

        make = getattr(applications, self.application())
        if self.weights != IMAGENET:
            network = make(include_top=False, weights=None, input_shape=shape)
            if self.weights is not None:
                load_weights(network, self.weights, who)
            return network
        try:
            return make(include_top=False, weights=IMAGENET, input_shape=shape)
        except Exception as cause:
            raise ArtifactError(f"backbone {who}: Keras's ImageNet weights could not be had: {cause}") from cause


@attrs.frozen(kw_only=True)
class KerasApplications(Application):
    """Any model of keras.applications, by its name there: ``model = "EfficientNetV2B0"``.

    Each is also a backbone of its own, by that name in lower case: ``efficientnetv2b0``.
    """

    model: str = option("ResNet50", choices=tuple(sorted(FAMILY_OF)), doc="the name of the model in keras.applications")

    def application(self) -> str:
        """Return the setting `model`."""
        return self.model


@functools.cache
def classes() -> dict[str, type[Application]]:
    """Return a backbone class for each model of keras.applications, by its name in lower case."""
    return {_registered(name): _class_of(name) for name in sorted(FAMILY_OF)}


def _class_of(name: str) -> type[Application]:
    def application(self: Application) -> str:
        """Return the name of the model in keras.applications."""
        return name

    doc = f"{name} of keras.applications without its classifier, as trunk of an encoder."
    body = {"__doc__": doc, "__module__": __name__, "application": application}
    return attrs.frozen(type(name, (Application,), body))


def _registered(name: str) -> str:
    return name.lower()
