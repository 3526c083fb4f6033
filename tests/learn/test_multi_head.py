"""A model of several embeddings: trained together, and searched by the one that is chosen."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import simplug

# Keras 3.15 turns its variables into arrays in a way that NumPy 2.4 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def test_each_head_learns_its_own_labels_and_a_similarity_model_takes_one_by_name(tmp_path):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    sign, size = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    x = rng.normal(size=(200, 6)).astype("float32")
    x[:, 0] += 3 * (2 * sign - 1)
    x[:, 1] += 3 * (2 * size - 1)
    inputs = keras.Input((6,), name="x")
    trunk = keras.Model(inputs, keras.layers.Dense(16, activation="relu")(inputs), name="trunk")
    model = simplug.layers.multi_head_encoder(trunk, {"sign": 4, "size": 2})

    given = {name: keras.Input((), dtype="int32", name=f"{name}_label") for name in ("sign", "size")}
    losses = [simplug.heads.MultiSimilarity()([model.output[name], given[name]]) for name in given]
    together = keras.Model([*model.inputs, *given.values()], losses)
    together.compile(keras.optimizers.Adam(0.01))
    together.fit([x, sign, size], batch_size=50, epochs=10, verbose=0)

    by_sign = simplug.SimilarityModel(model.inputs, model.output["sign"])
    by_size = simplug.SimilarityModel(model.inputs, model.output["size"])
    assert (by_sign.embedding_dim, by_size.embedding_dim) == (4, 2)
    for chosen, labels, others in ((by_sign, sign, size), (by_size, size, sign)):
        chosen.index(x[:100], labels[:100])
        nearest = chosen.lookup(x[100:], k=1).labels[:, 0]
        assert np.mean(nearest == labels[100:]) > 0.95
        assert np.mean(nearest == others[100:]) < 0.75
    by_sign.compile("adam", "multi_similarity")
    by_sign.save(tmp_path / "sign")
    np.testing.assert_array_equal(simplug.load(tmp_path / "sign").embed(x), by_sign.embed(x))
