"""What a loss keeps from step to step: learned weights, queues, running averages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from simplug.api.numerics import Tensor

State = Mapping[str, Tensor]
"""The tensors of a loss by name; those of a nested loss have its field's name and a dot before theirs."""


@attrs.frozen
class Weight:
    """A tensor that a loss keeps.

    Attributes:
        shape: Its shape.
        initializer: A Keras initializer: its name, or its config as ``{"class_name": …, "config": …}``.
        trainable: Whether the optimizer moves it; otherwise the loss does, in :meth:`Loss.next_state`.
        dtype: Its dtype; the model's mixed precision does not change it.
    """

    shape: tuple[int, ...]
    initializer: str | Mapping[str, Any] = "glorot_uniform"
    trainable: bool = True
    dtype: str = "float32"


def initial_state(weights: Mapping[str, Weight]) -> dict[str, Tensor]:
    """Return fresh tensors for declared weights; random ones follow ``keras.utils.set_random_seed``."""
    from keras import initializers

    return {
        name: initializers.get(weight.initializer)(weight.shape, dtype=weight.dtype) for name, weight in weights.items()
    }


def within(values: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Return what belongs to a nested loss, under the names that it knows."""
    return {name[len(part) + 1 :]: value for name, value in values.items() if name.startswith(f"{part}.")}


def prefixed(values: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Return what a nested loss declares, under the names that the outer loss keeps it by."""
    return {f"{part}.{name}": value for name, value in values.items()}
