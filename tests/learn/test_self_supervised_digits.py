"""Each method learns digits without labels: neighbours are of one digit more often than those of the untrained."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

import simplug
from simplug.learn.feeding import FedBatches

MOCO = {
    "name": "self_supervised",
    "symmetric": False,
    "loss": {"name": "cross_batch_memory", "memory_size": 512, "loss": {"name": "nt_xent", "temperature": 0.2}},
}


@pytest.fixture(scope="module")
def digits():
    data = simplug.datasets.build("digits").load()
    return data.splits["train"], data.splits["test"]


def accuracy(model, train, test):
    nearest = KNeighborsClassifier(5, metric="cosine").fit(model.embed(train.inputs), train.labels)
    return nearest.score(model.embed(test.inputs), test.labels)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["simclr", "simsiam", "byol", "barlow_twins", "vicreg", MOCO])
def test_neighbours_become_more_alike_than_those_of_the_untrained_encoder(digits, loss):
    train, test = digits
    keras.utils.set_random_seed(2)
    encoder = simplug.backbones.build("small_cnn", embedding_dim=16).build(train.example_shape)
    model = simplug.SimilarityModel(encoder.inputs, encoder.outputs)
    before = accuracy(model, train, test)
    model.compile(keras.optimizers.Adam(0.002), loss, momentum=0.97 if loss in ("byol", MOCO) else "auto")
    augmenter = simplug.augmenters.build("image_basic", rotation=15.0, shift=0.1, scale=0.15, shear=15.0, view_count=2)
    sampler = simplug.samplers.build("single_shot", examples_per_batch=128)
    batches = sampler.batches(train, steps=120, seed=1, augmenter=augmenter)
    history = model.fit(FedBatches(batches), verbose=0, shuffle=False).history
    assert np.isfinite(history["loss"]).all()
    assert accuracy(model, train, test) > before
