"""The Keras layer behind an encoder that is trained without labels: projector, predictor and slowly moving copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from simplug.api import Loss, ViewNetwork
from simplug.api.view_loss import halves
from simplug.learn.held import hold
from simplug.learn.replicas import whole_batch
from simplug.learn.view_copy import SlowCopy
from simplug.learn.view_layers import DenseLayers


class ViewHead(keras.layers.Layer):  # type: ignore[misc]
    """What a loss between views needs beside the encoder; :class:`simplug.SimilarityModel` makes one for itself.

    It is trained and saved with the model, in float32 whatever its mixed precision, and is no part of the embeddings.

    Args:
        loss: The loss.
        network: What stands between the encoder and the loss.
        encoder: The model from inputs to embeddings (n, d). It is not kept: the layer is handed it again with each
            batch, so that Keras does not save it twice.
        name: The name that Keras shows.
    """

    def __init__(self, loss: Loss, network: ViewNetwork, encoder: keras.Model, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.component = loss
        self.network = network
        dim = int(encoder.outputs[0].shape[1])
        self.projector = None
        if network.projector is not None:
            self.projector = DenseLayers(network.projector, network.projector.dim, "projector")
            self.projector.build((None, dim))
            dim = network.projector.dim
        self.predictor = None
        if network.predictor is not None:
            self.predictor = DenseLayers(network.predictor, dim, "predictor")
            self.predictor.build((None, dim))
        self.held = hold(self, loss.state(dim))
        self.slow_copy = None
        if network.momentum is not None:
            self.slow_copy = SlowCopy(network.momentum, "slow_copy")
            self.slow_copy.start(self._followed(encoder))
        self.built = True

    def loss_of(self, embeddings: Any, encoder: keras.Model, encode: Callable[[], Any], *, training: bool) -> Any:
        """Return the loss of a batch that holds the first views of its examples and then the second.

        In training, the copy moves first, toward the weights that the last step of the optimizer left, and what the
        loss keeps moves.

        Args:
            embeddings: (2n, d).
            encoder: The model that gave the embeddings.
            encode: It runs the model on the batch once more and returns embeddings (2n, d).
            training: False when a batch is only being judged.

        Raises:
            InvalidInputError: The batch has an odd number of rows.
        """
        views = self._project(keras.ops.cast(embeddings, "float32"), training)
        weight = self.network.direction_weight
        if weight is None:
            value, moved = self._direction(*self._pair(views), training=training)
        else:
            shown = views if self.predictor is None else self.predictor(views, training=training)
            compared = views if self.slow_copy is None else self._by_copy(self.slow_copy, encoder, encode, training)
            (first, second), (to_first, to_second) = self._pair(shown), self._pair(compared)
            # Both directions meet what the loss kept before the step; what the first makes of it is kept.
            value, moved = self._direction(first, to_second, training=training)
            back, _ = self._direction(second, to_first, training=training)
            value = weight * (value + back)
        for name, new in moved.items():
            self.held[name].assign(new)
        return value

    def _pair(self, views: Any) -> tuple[Any, Any]:
        """Return first and second views, of all replicas together."""
        _, whole = whole_batch(self.component, None, views)
        first, second = halves(whole)
        return first, second

    def _project(self, embeddings: Any, training: bool) -> Any:
        return embeddings if self.projector is None else self.projector(embeddings, training=training)

    def _by_copy(self, copy: SlowCopy, encoder: keras.Model, encode: Callable[[], Any], training: bool) -> Any:
        followed = self._followed(encoder)
        if training:
            copy.follow(followed)

        def projections() -> Any:
            return self._project(keras.ops.cast(encode(), "float32"), training)

        return copy.run(followed, projections, training=training)

    def _followed(self, encoder: keras.Model) -> list[keras.layers.Layer]:
        return [encoder] if self.projector is None else [encoder, self.projector]

    def _direction(self, first: Any, second: Any, *, training: bool) -> tuple[Any, dict[str, Any]]:
        """Return the loss of two views (n, d), and new values of what it keeps."""
        state = {name: variable.value for name, variable in self.held.items()}
        batch = self.component.batch(None, first, None, second, state=state, training=training)
        moved = self.component.next_state(batch) if training else {}
        if moved:
            batch = self.component.batch(None, first, None, second, state={**state, **moved}, training=training)
        return self.component.value(batch), moved
