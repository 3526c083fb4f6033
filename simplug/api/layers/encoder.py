"""An encoder from its trunk: pooling and one embedding or several behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import keras

from simplug.api.layers.embedding import EmbeddingHead
from simplug.api.layers.pooling import GeneralizedMeanPooling1D, GeneralizedMeanPooling2D
from simplug.api.layers.trunk import Trunk
from simplug.kernel.errors import InvalidInputError

Pooling = Literal["average", "max", "gem", "flatten"]

POOLINGS: tuple[Pooling, ...] = ("average", "max", "gem", "flatten")
"""The ways from a map of features to a vector."""


def encoder(
    trunk: keras.Model,
    embedding_dim: int | None = 64,
    *,
    pooling: Pooling = "average",
    gem_p: float = 3.0,
    l2: bool = True,
    name: str | None = None,
) -> keras.Model:
    """Return the model from the inputs of a trunk to embeddings (n, embedding_dim), in float32.

    Its layers are the trunk, ``pooling`` and ``embedding``. While the trunk is not trainable, it runs as in use and not
    as in training, without dropout: what it gives can be computed once and kept, by
    :func:`simplug.learn.features.cached_features`.

    Args:
        trunk: A functional model with one output: features (n, m), which are not pooled, sequences
            (n, steps, channels) or images (n, height, width, channels).
        embedding_dim: The length of the embedding; None leaves the dense layer out: the pooled features are the
            embedding.
        pooling: ``"average"``, ``"max"``, ``"gem"`` (:class:`GeneralizedMeanPooling2D` with a learned power) or
            ``"flatten"``, which keeps every position.
        gem_p: The power at which the pooling ``"gem"`` starts.
        l2: Whether embeddings are divided by their Euclidean norm.
        name: The name of the model; None takes one of Keras's.

    Raises:
        InvalidInputError: The trunk has several outputs, or one that cannot be pooled.
    """
    features = _pooled(trunk, pooling, gem_p)
    embeddings = EmbeddingHead(embedding_dim, l2=l2, name="embedding")(features)
    return keras.Model(_inputs(trunk), embeddings, name=name)


def multi_head_encoder(
    trunk: keras.Model,
    heads: Mapping[str, int | None],
    *,
    pooling: Pooling = "average",
    gem_p: float = 3.0,
    l2: bool = True,
    name: str | None = None,
) -> keras.Model:
    """Return a model with several embeddings of the same features, one for each meaning of "alike".

    Its output is a dictionary. A :class:`simplug.SimilarityModel` has one embedding, chosen by its name, and shares
    all layers with the model that it comes from::

        model = simplug.layers.multi_head_encoder(trunk, {"colour": 32, "shape": 64})
        by_shape = simplug.SimilarityModel(model.inputs, model.output["shape"])

    All heads are trained together by a model that has a :class:`simplug.Head` for each, with labels of its own.

    Args:
        trunk: As for :func:`encoder`.
        heads: The length of each embedding by its name, which is also that of its layer; None leaves its dense layer
            out.
        pooling: As for :func:`encoder`.
        gem_p: As for :func:`encoder`.
        l2: As for :func:`encoder`.
        name: As for :func:`encoder`.

    Raises:
        InvalidInputError: There is no head, or the trunk cannot be used.
    """
    if not heads:
        raise InvalidInputError('multi_head_encoder needs at least one head, as {"embedding": 64}')
    features = _pooled(trunk, pooling, gem_p)
    embeddings = {head: EmbeddingHead(units, l2=l2, name=head)(features) for head, units in heads.items()}
    return keras.Model(_inputs(trunk), embeddings, name=name)


def _pooled(trunk: keras.Model, pooling: Pooling, gem_p: float) -> Any:
    """Call the trunk on its inputs and pool what it gives to (n, m)."""
    if pooling not in POOLINGS:
        raise InvalidInputError(f"pooling is one of {', '.join(map(repr, POOLINGS))}, not {pooling!r}")
    if len(trunk.outputs) != 1:
        raise InvalidInputError(f"a trunk has one output; '{trunk.name}' has {len(trunk.outputs)}")
    shape = tuple(trunk.outputs[0].shape)
    if len(shape) not in (2, 3, 4):
        raise InvalidInputError(
            f"the output of a trunk has shape (n, m), (n, steps, channels) or (n, height, width, channels); that of "
            f"'{trunk.name}' is {shape}"
        )
    if pooling == "flatten" and None in shape[1:]:
        raise InvalidInputError(f"features of shape {shape} cannot be flattened; choose another pooling")
    inputs = _inputs(trunk)
    features = Trunk(inputs, trunk.outputs[0], name=trunk.name, trainable=trunk.trainable)(inputs)
    if len(shape) == 2:
        return features
    return _pooling_layer(pooling, len(shape) - 2, gem_p)(features)


def _inputs(trunk: keras.Model) -> Any:
    """Return a single input without a list around it: a model is called with what it was made of."""
    return trunk.inputs[0] if len(trunk.inputs) == 1 else trunk.inputs


def _pooling_layer(pooling: Pooling, axes: int, gem_p: float) -> keras.layers.Layer:
    if pooling == "flatten":
        return keras.layers.Flatten(name="pooling")
    if pooling == "gem":
        return (GeneralizedMeanPooling1D, GeneralizedMeanPooling2D)[axes - 1](gem_p, name="pooling")
    classes = {
        "average": (keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D),
        "max": (keras.layers.GlobalMaxPooling1D, keras.layers.GlobalMaxPooling2D),
    }
    return classes[pooling][axes - 1](name="pooling")
