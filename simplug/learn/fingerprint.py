"""What tells the weights of a model from others."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import numpy as np


def fingerprint(model: keras.Model) -> str:
    """Return the sha256 of a model's weights, as 64 hexadecimal digits.

    Hashed is, for each of ``model.weights`` in their order, the line ``float32 (3, 3, 1, 32)`` of its dtype and shape,
    and then the bytes of its numbers, row after row. These are the weights that training changes and those that it
    carries along, such as the moving means of batch normalisation; the states of optimizers, metrics and random
    generators are not among them. A model that was saved and loaded has the same.
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        _take(digest, keras.ops.convert_to_numpy(weight))
    return digest.hexdigest()


def _take(digest: Any, values: np.ndarray) -> None:
    digest.update(f"{values.dtype.name} {values.shape}\n".encode())
    digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8))
