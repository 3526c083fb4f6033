"""simplug's side of ``losses.py``: forward and backward pass of a loss under ``tf.function``."""

from __future__ import annotations

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

from typing import Any

import attrs
import keras
import numpy as np
import tensorflow as tf
from losses_cases import DIM
from losses_worker import Inputs, Step, weight

import simplug
from simplug.api import Batch
from simplug.api.state import initial_state

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def warm_up() -> None:
    """Bring the process to the level that its memory is counted from."""
    tf.function(lambda x: x + 1)(tf.constant(1.0))


def prepare(case: dict[str, Any], inputs: Inputs, jit: bool) -> Step:
    """Return one step of training: the moved state, the value, the gradients of embeddings and trained weights."""
    keras.utils.set_random_seed(0)
    loss = simplug.losses.build(case["ours"])
    declared = loss.state(DIM)
    state = {name: tf.Variable(tensor) for name, tensor in initial_state(declared).items()}
    trained = [name for name in declared if declared[name].trainable]
    for name in trained:
        if name.endswith("weight"):
            state[name].assign(weight(declared[name].shape))
    labels, embeddings = tf.constant(inputs.labels), tf.constant(inputs.embeddings)
    references = (labels, tf.constant(inputs.views)) if case["views"] else ()

    @tf.function(jit_compile=jit)
    def step(labels: tf.Tensor, embeddings: tf.Tensor, *references: tf.Tensor) -> Any:
        weights = [state[name] for name in trained]
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            held = {name: tf.convert_to_tensor(variable) for name, variable in state.items()}
            batch = Batch.of(labels, embeddings, *references, state=held, label_rank=loss.label_rank)
            batch = loss.accepted(batch)
            moved = loss.next_state(batch)
            value = loss.value(attrs.evolve(batch, state={**held, **moved}))
        gradients = tape.gradient(value, [embeddings, *weights])
        if case["keeps_state"]:
            for name, tensor in moved.items():
                state[name].assign(tensor)
        # What is taken from rows comes back as slices; a model's backward pass needs the whole.
        return value, tf.convert_to_tensor(gradients[0]), gradients[1:]

    def run() -> tuple[float, np.ndarray]:
        value, gradient, _ = step(labels, embeddings, *references)
        return float(value), gradient.numpy()

    return run
