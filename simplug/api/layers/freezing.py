"""Taking layers out of training by the beginning of their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras

from simplug.kernel.errors import InvalidInputError

_SHOWN = 40


def freeze(model: keras.Model, prefixes: Sequence[str]) -> list[str]:
    """Make every layer not trainable whose name begins with one of some prefixes.

    Layers inside of models that are layers are found, too, and so is `model` itself. A frozen batch normalisation
    uses its moving averages in training and does not move them. Compile the model afterwards.

    Args:
        model: The model; its layers are changed in place.
        prefixes: Beginnings of names, such as ``["conv1", "conv2_block1"]``.

    Returns:
        The names of the layers that were frozen.

    Raises:
        InvalidInputError: A prefix begins no name; nothing was changed.
    """
    if isinstance(prefixes, str):
        raise InvalidInputError(f"freeze takes a list of prefixes; write [{prefixes!r}]")
    layers = list(_layers_in(model))
    names = [layer.name for layer in layers]
    for prefix in prefixes:
        if not prefix or not any(name.startswith(prefix) for name in names):
            raise InvalidInputError(f"freeze: no layer of '{model.name}' begins with {prefix!r}; {_listed(names)}")
    frozen = [layer for layer in layers if layer.name.startswith(tuple(prefixes))]
    for layer in frozen:
        layer.trainable = False
    return [layer.name for layer in frozen]


def _layers_in(model: keras.Model) -> Iterator[keras.layers.Layer]:
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers_in(layer)
        else:
            yield layer


def _listed(names: Sequence[str]) -> str:
    """List names: all of a small model, and of a large one what they begin with up to the first underscore."""
    if len(names) <= _SHOWN:
        return f"its layers are {', '.join(names)}"
    beginnings = list(dict.fromkeys(name.partition("_")[0] for name in names))
    more = f" and {len(beginnings) - _SHOWN} more" if len(beginnings) > _SHOWN else ""
    return f"its {len(names)} layers begin with {', '.join(beginnings[:_SHOWN])}{more}"
