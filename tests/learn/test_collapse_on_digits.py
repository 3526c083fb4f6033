"""The watch for collapse over real trainings on digits: those that learn, and those that collapse."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import simplug
from simplug.callbacks import CollapseCallback, CollapseWarning

pytestmark = pytest.mark.slow

STEPS = 30


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return (loaded.images / 16).astype("float32")[..., None], loaded.target


def small_cnn():
    keras.utils.set_random_seed(0)
    inputs = hidden = keras.Input((8, 8, 1))
    for filters in (16, 32):
        hidden = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(hidden)
        hidden = keras.layers.MaxPooling2D()(hidden)
    return simplug.SimilarityModel(inputs, keras.layers.Dense(32)(keras.layers.Flatten()(hidden)))


def balanced(images, labels):
    """Yield batches of four images of eight digits each."""
    rng = np.random.default_rng(0)
    while True:
        classes = rng.choice(10, 8, replace=False)
        rows = np.concatenate([rng.choice(np.flatnonzero(labels == one), 4, replace=False) for one in classes])
        yield images[rows], labels[rows]


def two_views(images, labels):
    """Yield batches of 64 images with noise, and then the same ones with other noise."""
    rng = np.random.default_rng(0)
    while True:
        rows = np.tile(rng.choice(len(images), 64, replace=False), 2)
        yield (images[rows] + rng.normal(0, 0.2, images[rows].shape)).astype("float32"), labels[rows]


def watched(digits, loss, rate, *, batches=balanced, epochs=4):
    images, labels = digits
    rows = np.concatenate([np.flatnonzero(labels == one)[:25] for one in range(10)])
    callback = CollapseCallback(images[rows], labels[rows])
    model = small_cnn()
    model.compile(keras.optimizers.Adam(rate), loss)
    fed = batches(images, labels)
    model.fit(fed, steps_per_epoch=STEPS, epochs=epochs, shuffle=False, verbose=0, callbacks=[callback])
    return callback.found


@pytest.mark.parametrize(
    ("loss", "rate", "batches"),
    [
        ("multi_similarity", 0.001, balanced),
        ("tfa_triplet_hard", 0.001, balanced),
        # So slow that the loss is near the margin all the time.
        ({"name": "tfa_triplet_hard", "soft": True}, 0.0001, balanced),
        # In the first epochs the embeddings are in nearly one place, and then they part.
        ({"name": "triplet", "miner": "batch_hard"}, 0.001, balanced),
        ("simclr", 0.001, two_views),
    ],
    ids=str,
)
def test_a_training_that_learns_is_not_warned_of(digits, loss, rate, batches):
    assert watched(digits, loss, rate, batches=batches) is None


@pytest.mark.parametrize(
    ("loss", "rate"),
    [
        ("tfa_triplet_hard", 0.1),
        ({"name": "tfa_triplet_hard", "soft": True}, 0.1),
        ({"name": "triplet", "distance": "cosine", "miner": "batch_hard"}, 0.1),
    ],
    ids=str,
)
def test_the_hardest_triplets_at_a_high_learning_rate_collapse(digits, loss, rate):
    with pytest.warns(CollapseWarning, match="Try, in this order: semi-hard negatives in place of the hardest"):
        found = watched(digits, loss, rate, epochs=5)
    assert found.sign == "spread"


def test_distances_that_shrink_leave_the_loss_at_its_margin(digits):
    images, labels = digits
    callback = CollapseCallback(images[:200], labels[:200], min_spread=0.0, min_rank=0.0)
    model = small_cnn()
    model.compile(keras.optimizers.Adam(0.1), {"name": "tfa_triplet_hard", "soft": True})
    with pytest.warns(CollapseWarning, match=r"the loss stays at 0\.6931, as for embeddings that are all the same"):
        model.fit(balanced(*digits), steps_per_epoch=STEPS, epochs=7, shuffle=False, verbose=0, callbacks=[callback])
    assert callback.found.sign == "margin"


def test_views_that_are_pulled_together_and_by_nothing_apart_collapse(digits):
    def pull(truth, embeddings):
        """Return one minus the cosine of both views, through which gradients flow on both sides."""
        unit = keras.ops.normalize(embeddings)
        half = keras.ops.shape(unit)[0] // 2
        return 1 - keras.ops.mean(keras.ops.sum(unit[:half] * unit[half:], axis=1))

    with pytest.warns(CollapseWarning, match="point almost the same way"):
        found = watched(digits, pull, 0.01, batches=two_views, epochs=6)
    assert found.sign == "spread"
