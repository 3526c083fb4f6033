"""The elements of a ``tf.data.Dataset``: which part is the label, and which the inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from simplug.api import DataError, InvalidInputError
from simplug.kernel.errors import did_you_mean

Label = str | int | Callable[[Any], tuple[Any, Any]]
"""The key or the position of the label in an element; or a function from an element to inputs and label."""

Example = Any
"""The inputs of one example: an array, or a tuple or dict of them."""


def parted(element: Any, label: Label) -> tuple[Example, Any]:
    """Return the inputs and the label of an element; an input that is alone stands for itself.

    Raises:
        InvalidInputError: The element has no such key or position; the message names the nearest key.
    """
    if callable(label):
        inputs, found = label(element)
        return inputs, found
    parts, kind = _parts(element)
    if kind is tuple and isinstance(label, int) and -len(parts) <= label < 0:
        label += len(parts)
    if label not in parts:
        raise InvalidInputError(_no_label(label, parts, kind))
    rest = {key: value for key, value in parts.items() if key != label}
    if len(rest) == 1:
        return next(iter(rest.values())), parts[label]
    return (rest if kind is dict else tuple(rest.values())), parts[label]


def class_of(label: Any) -> int | str:
    """Return the class that a label names.

    Raises:
        DataError: It is neither a whole number nor a text.
    """
    value = np.asarray(label)
    require_class(value.shape, value.dtype)
    name = value.reshape(())[()]
    if isinstance(name, bytes):
        return name.decode()
    return name if isinstance(name, str) else int(name)


def require_class(shape: Any, dtype: Any) -> None:
    """Refuse labels that cannot name classes.

    Raises:
        DataError: A label is not a single one, or neither a whole number nor a text.
    """
    if tuple(shape) not in ((), (1,)):
        raise DataError(
            f"a label has shape {tuple(shape)}: elements are single examples here, each with one label; a dataset of "
            "batches becomes one of examples with dataset.unbatch()"
        )
    # TensorFlow has texts as objects.
    if np.dtype(dtype).kind not in "iuSUO":
        raise DataError(f"labels are whole numbers or texts, not {np.dtype(dtype)}")


def _parts(element: Any) -> tuple[dict[Any, Any], type]:
    if isinstance(element, Mapping):
        return dict(element), dict
    if isinstance(element, tuple):
        return dict(enumerate(element)), tuple
    raise InvalidInputError(
        f"an element is one {type(element).__name__}; the label is found by its key in a dict, by its position in a "
        "tuple, or by a function"
    )


def _no_label(label: str | int, parts: Mapping[Any, Any], kind: type) -> str:
    if kind is dict:
        keys = [str(key) for key in parts]
        return f"an element has no '{label}'{did_you_mean(str(label), keys)}; it has {', '.join(keys)}"
    return f"an element is a tuple of {len(parts)}, and label is {label!r}: a position from 0 to {len(parts) - 1}"
