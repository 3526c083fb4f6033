"""TensorFlow Similarity's own hello world on MNIST, in its own environment; prints one line of JSON.

Called by ``hello_mnist.py`` with the folder of the IDX files, the number of test rows and the seed.
"""

import gzip
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_similarity as tfsim
from tensorflow.keras import layers

CLASSES = [2, 3, 1, 7, 9, 6, 8, 5, 0, 4]
SEEN = CLASSES[:6]


def main(folder: str, test_rows: int, seed: int) -> None:
    """Train, index, calibrate and match as the notebook does, and print the scores."""
    random.seed(seed)
    np.random.seed(seed)
    tf.random.set_seed(seed)
    images, labels = read(Path(folder))
    x_train, y_train = images[:-test_rows], labels[:-test_rows]
    x_test, y_test = images[-test_rows:], labels[-test_rows:]

    sampler = tfsim.samplers.MultiShotMemorySampler(
        x_train, y_train, classes_per_batch=6, examples_per_class_per_batch=10, class_list=SEEN, steps_per_epoch=1000
    )
    inputs = layers.Input((28, 28, 1))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.MaxPool2D()(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    outputs = tfsim.layers.MetricEmbedding(64)(layers.Flatten()(x))
    model = tfsim.models.SimilarityModel(inputs, outputs)
    model.compile(tf.keras.optimizers.Adam(1e-4), loss=tfsim.losses.MultiSimilarityLoss(distance="cosine"))
    started = time.perf_counter()
    model.fit(sampler, epochs=3, verbose=0)
    seconds = time.perf_counter() - started

    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(np.flatnonzero(y_train == label))[:20] for label in CLASSES])
    model.reset_index()
    model.index(x_train[rows], y_train[rows], verbose=0)
    model.calibrate(x_train[:1000], y_train[:1000], verbose=0)
    nearest = np.array([hits[0].label for hits in model.lookup(x_test, k=1, verbose=0)])
    matched = np.array(model.match(x_test, cutpoint="optimal", no_match_label=-1))
    right, seen = nearest == y_test, np.isin(y_test, SEEN)
    print(
        json.dumps(
            {
                "all": float(right.mean()),
                "seen": float(right[seen].mean()),
                "unseen": float(right[~seen].mean()),
                "matching": float((matched == y_test).mean()),
                "fit s": seconds,
            }
        )
    )


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 28, 28, 1) as float32 and labels (n,) of the t10k files."""
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, dtype=np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return pixels.astype("float32"), np.frombuffer(labels, dtype=np.uint8, offset=8).astype(int)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
