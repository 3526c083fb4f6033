"""Train under MirroredStrategy with two devices of this process, and without; print how far apart they come out."""

import contextlib
import json

import keras
import numpy as np
import tensorflow as tf

import simplug
from simplug.api import Split
from simplug.learn.loss import ComponentLoss

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
LABELS = np.arange(64) % 8
INPUTS = (np.random.default_rng(0).normal(size=(64, 8)) + 2 * np.eye(8)[LABELS]).astype("float32")


def similarity_model(loss, **options):
    # Adam would take the same steps if all gradients were too large.
    inputs = keras.Input((8,))
    model = simplug.SimilarityModel(inputs, keras.layers.Dense(4, kernel_regularizer="l2")(inputs))
    model.compile(keras.optimizers.SGD(0.01), loss=loss, **options)
    return model


def plain_model(loss):
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.layers.Dense(4)(inputs))
    model.compile(keras.optimizers.SGD(0.01), loss=ComponentLoss(loss))
    return model


def fed(model):
    sampler = simplug.samplers.build("class_balanced", classes_per_batch=4, examples_per_class=4)
    batches = sampler.batches(Split(INPUTS, LABELS), steps=3, seed=1)
    return model.fit(simplug.FedBatches(batches), epochs=2, shuffle=False, verbose=0)


def arrays(model):
    # The last batch has 10 examples, and so the replicas have 5 each; the first 18, and so 9.
    return model.fit(INPUTS, LABELS, batch_size=18, epochs=2, shuffle=False, verbose=0)


def views(model):
    # A replica has the first views of its examples, and then their second.
    shared = INPUTS.reshape(4, 2, 2, 4, 8)
    mirrored = model.distribute_strategy.num_replicas_in_sync > 1
    given = (shared.transpose(0, 2, 1, 3, 4) if mirrored else shared).reshape(64, 8)
    return model.fit(given, batch_size=16, epochs=2, shuffle=False, verbose=0)


def trained(strategy, make, fit):
    with strategy.scope() if strategy else contextlib.nullcontext():
        keras.utils.set_random_seed(1)
        model = make()
    history = fit(model)
    weights = [weight.value.numpy() for weight in model.weights]
    return history.history["loss"], weights


CASES = {
    "a pair loss": (lambda: similarity_model("multi_similarity"), fed),
    "class vectors": (lambda: similarity_model({"name": "arcface", "num_classes": 8}), arrays),
    "a memory": (lambda: similarity_model({"name": "cross_batch_memory", "memory_size": 40}), fed),
    "two views": (lambda: similarity_model("simclr", projector="none"), views),
    "a plain Keras model": (lambda: plain_model("multi_similarity"), fed),
}

if __name__ == "__main__":
    found = {}
    for name, (make, fit) in CASES.items():
        losses, weights = trained(None, make, fit)
        mirrored_losses, mirrored_weights = trained(STRATEGY, make, fit)
        distances = [np.abs(one - other).max() for one, other in zip(weights, mirrored_weights, strict=True)]
        found[name] = {"losses": losses, "mirrored": mirrored_losses, "distance": float(max(distances))}
    print(json.dumps(found))
