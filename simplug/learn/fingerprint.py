"""What tells the weights of a model from others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import keras
import numpy as np


def fingerprint(weights: Iterable[keras.Variable]) -> str:
    """Return the sha256 of weights, as 64 hexadecimal digits.

    Hashed is, for each of them in their order, a line of its dtype and shape such as ``float32 (3, 3, 1, 32)``, and
    then the bytes of its numbers, row after row.
    """
    digest = hashlib.sha256()
    for weight in weights:
        values = np.asarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{values.dtype.name} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
