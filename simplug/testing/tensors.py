"""Values and gradients of functions of Keras tensors: as written, in graph mode and compiled by XLA.

The kit runs on the TensorFlow backend, the one that simplug is tested with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def array(tensor: Any) -> np.ndarray:
    """Return a tensor as a NumPy array."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(tensor))


def gradient(function: Callable[[Any], Any], values: np.ndarray, dtype: str = "float32") -> np.ndarray:
    """Return the gradient of a scalar function at `values`, as float32; zeros where nothing depends on them."""
    import tensorflow as tf

    variable = tf.Variable(tf.cast(values, dtype))
    with tf.GradientTape() as tape:
        value = function(variable)
    found = tape.gradient(value, variable, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return np.asarray(tf.cast(found, "float32"))


def in_graph(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """Return what a function gives when TensorFlow traces it for batches of any length."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *values.shape[1:]), values.dtype) for values in arrays]
    return _run(tf.function(function, input_signature=signature), arrays)


def in_xla(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """Return what a function gives when XLA compiles it."""
    import tensorflow as tf

    return _run(tf.function(function, jit_compile=True), arrays)


def _run(compiled: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    import tensorflow as tf

    return [np.asarray(part) for part in tf.nest.flatten(compiled(*map(tf.constant, arrays)))]
