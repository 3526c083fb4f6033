"""Values and gradients of functions of Keras tensors: as written, in graph mode and compiled; on every backend.

Graph mode is ``tf.function`` or ``jax.jit``; on PyTorch, which runs what is written, it is a plain call.
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
    from keras import ops

    return value_and_gradient(function, ops.cast(values, dtype))[1].astype(np.float32)


def value_and_gradient(function: Callable[[Any], Any], values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a scalar function's value at `values` and its gradient there, in the dtype of `values` if NumPy has it.

    The gradient is zeros where nothing depends on the values; bfloat16 comes back as float32.
    """
    from keras import backend, ops

    values = ops.convert_to_tensor(values)
    value, slope = _DIFFERENTIATE[backend.backend()](function, values)
    if backend.standardize_dtype(values.dtype) == "bfloat16":
        slope = ops.cast(slope, "float32")
    return array(value), array(slope)


def in_graph(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """Return what a function gives in graph mode; TensorFlow traces it for batches of any length."""
    from keras import backend

    if backend.backend() != "tensorflow":
        return in_xla(function, *arrays)
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *values.shape[1:]), values.dtype) for values in arrays]
    # Without AutoGraph, as in Keras's own training step; to rewrite the code takes longer than to trace it.
    return _run(tf.function(function, input_signature=signature, autograph=False), arrays)


def in_xla(function: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """Return what a function gives when it is compiled."""
    from keras import backend

    if backend.backend() == "tensorflow":
        import tensorflow as tf

        return _run(tf.function(function, jit_compile=True, autograph=False), arrays)
    if backend.backend() == "jax":
        import jax

        return _run(jax.jit(function), arrays)
    return _run(function, arrays)


def _run(compiled: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    from keras import ops, tree

    return [array(part) for part in tree.flatten(compiled(*map(ops.convert_to_tensor, arrays)))]


def _with_tensorflow(function: Callable[[Any], Any], values: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(values)
        value = function(values)
    return value, tape.gradient(value, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _with_jax(function: Callable[[Any], Any], values: Any) -> tuple[Any, Any]:
    import jax

    found: tuple[Any, Any] = jax.value_and_grad(function)(values)
    return found


def _with_torch(function: Callable[[Any], Any], values: Any) -> tuple[Any, Any]:
    import torch

    values = values.detach().clone().requires_grad_()
    value = function(values)
    if not value.requires_grad:
        return value, torch.zeros_like(values)
    (slope,) = torch.autograd.grad(value, values, allow_unused=True)
    return value.detach(), torch.zeros_like(values) if slope is None else slope


_DIFFERENTIATE = {"tensorflow": _with_tensorflow, "jax": _with_jax, "torch": _with_torch}
