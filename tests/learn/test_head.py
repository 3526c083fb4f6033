"""Head: what a loss keeps is trained, saved and restored with a model, and is no part of its embeddings."""

from __future__ import annotations

import attrs
import keras
import numpy as np
import pytest
from keras import ops

import simplug
from simplug.api import ClassLoss, InvalidInputError, Loss, Term, Weight
from simplug.learn.loss import ComponentLoss


@attrs.frozen(kw_only=True)
class Plain(ClassLoss):
    """Softmax over the inner products with the class vectors."""

    def terms(self, batch):
        logits = ops.matmul(batch.embeddings, ops.transpose(batch.state["weight"]))
        values = ops.sparse_categorical_crossentropy(batch.labels, logits, from_logits=True)
        return {"anchors": Term(values, ops.ones_like(values))}

    def logits(self, embeddings, state):
        return ops.matmul(embeddings, ops.transpose(state["weight"]))


@attrs.frozen(kw_only=True)
class Counting(Loss):
    """The squared norm, times the number of training steps so far."""

    def state(self, dim):
        return {"steps": Weight((), "zeros", trainable=False, dtype="int32")}

    def next_state(self, batch):
        return {"steps": batch.state["steps"] + 1}

    def value(self, batch):
        return ops.mean(ops.square(batch.embeddings)) * ops.cast(batch.state["steps"], batch.embeddings.dtype)


@pytest.fixture(autouse=True)
def _registered():
    simplug.losses.register("plain_of_this_test", Plain)
    simplug.losses.register("counting_of_this_test", Counting)
    yield
    simplug.losses.unregister("plain_of_this_test")
    simplug.losses.unregister("counting_of_this_test")


PLAIN = {"name": "plain_of_this_test", "num_classes": 4}


def examples(count=120, classes=4, dim=6):
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    return (rng.normal(size=(count, dim)) + 3 * np.eye(dim)[labels]).astype("float32"), labels


def small_model(policy=None):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    return simplug.SimilarityModel(inputs, keras.layers.Dense(3, dtype=policy)(inputs))


def vectors(model):
    return model.head.held["weight"].numpy()


def test_class_vectors_are_trained_saved_and_restored(tmp_path):
    x, y = examples()
    model = small_model()
    model.compile(keras.optimizers.Adam(0.05), loss=PLAIN)
    before = vectors(model).copy()
    history = model.fit(x, y, batch_size=40, epochs=4, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert np.abs(vectors(model) - before).max() > 0.01
    expected = model.evaluate(x, y, verbose=0)
    model.index(x[:20], y[:20])
    for path in (tmp_path / "model.keras", tmp_path / "folder"):
        model.save(path)
        again = keras.models.load_model(path) if path.suffix else simplug.load(path)
        np.testing.assert_array_equal(vectors(again), vectors(model))
        assert again.loss_component == model.loss_component
        assert again.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-6)
        # The optimizer goes on where it was: its moments of the class vectors came back, too.
        assert len(again.optimizer.variables) == len(model.optimizer.variables)
        for old, new in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
            np.testing.assert_array_equal(new.numpy(), old.numpy())


def test_class_vectors_are_no_part_of_the_embedding_model():
    x, _ = examples()
    model = small_model()
    model.compile("sgd", loss=PLAIN)
    assert [weight.name for weight in model.embedding_model.weights] == ["kernel", "bias"]
    assert any("head" in weight.path for weight in model.trainable_weights)
    np.testing.assert_array_equal(model.embedding_model.predict(x[:5], verbose=0), model.embed(x[:5]))


def test_compiling_again_forgets_the_class_vectors_of_before():
    model = small_model()
    model.compile("sgd", loss=PLAIN)
    model.compile("sgd", loss=PLAIN | {"num_classes": 7})
    assert vectors(model).shape == (7, 3)
    assert len(model.trainable_weights) == 3
    model.compile("sgd", loss="contrastive")
    assert len(model.trainable_weights) == 2
    model.compile("sgd", loss=keras.losses.MeanSquaredError())
    assert model.head is None


def test_class_vectors_stay_in_single_precision_beside_a_half_precision_model():
    x, y = examples()
    model = small_model(keras.DTypePolicy("mixed_bfloat16"))
    model.compile(keras.optimizers.SGD(0.5), loss=PLAIN)
    before = vectors(model).copy()
    loss = model.evaluate(x, y, batch_size=120, verbose=0)
    embeddings = model(x)
    assert keras.backend.standardize_dtype(embeddings.dtype) == "bfloat16"
    assert model.head.held["weight"].dtype == "float32"
    rows = np.asarray(ops.cast(embeddings, "float32"))
    logits = rows @ before.T
    expected = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(120), y])
    assert loss == pytest.approx(expected, rel=1e-5)
    model.fit(x, y, batch_size=120, epochs=1, verbose=0)
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    slope = (softmax - np.eye(4)[y]).T @ rows / 120
    np.testing.assert_allclose(vectors(model), before - 0.5 * slope, atol=1e-5)


def test_what_a_loss_counts_moves_in_training_and_not_in_validation():
    x, y = examples()
    model = small_model()
    model.compile("sgd", loss="counting_of_this_test")
    model.fit(x, y, batch_size=40, epochs=2, verbose=0, validation_data=(x, y))
    assert int(model.head.held["steps"].numpy()) == 6
    model.evaluate(x, y, verbose=0)
    assert int(model.head.held["steps"].numpy()) == 6


def test_a_head_is_a_plain_layer_in_a_model_of_ones_own(tmp_path):
    x, y = examples()
    keras.utils.set_random_seed(5)
    inputs, labels = keras.Input((6,)), keras.Input((), dtype="int64")
    embeddings = keras.layers.Dense(3)(inputs)
    head = simplug.Head("plain_of_this_test", num_classes=4)
    model = keras.Model([inputs, labels], head([embeddings, labels]))
    model.compile(keras.optimizers.Adam(0.05))
    history = model.fit([x, y], epochs=4, batch_size=40, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again.layers[-1].held["weight"].numpy(), head.held["weight"].numpy())
    encoder = keras.Model(inputs, embeddings)
    value = head([encoder(x), y])
    loss = simplug.losses.build(PLAIN)
    assert float(value) == pytest.approx(float(loss(y, encoder(x), state={"weight": head.held["weight"].value})))
    assert head.logits(encoder(x)).shape == (120, 4)


def test_heads_are_found_by_the_name_of_their_class():
    from simplug.heads import Contrastive

    layer = Contrastive(neg_margin=0.7, name="mine")
    assert isinstance(layer, simplug.Head)
    assert (layer.component.neg_margin, layer.name) == (0.7, "mine")
    with pytest.raises(AttributeError, match="no installed loss has a class 'Contrastiv'; did you mean 'Contrastive'"):
        simplug.heads.Contrastiv  # noqa: B018


def test_heads_are_listed_and_imported_like_any_names_of_a_module():
    listed = dir(simplug.heads)
    assert {simplug.losses.get(name).__name__ for name in ("arcface", "contrastive", PLAIN["name"])} <= set(listed)
    assert len(listed) == len(simplug.losses.names())
    assert simplug.heads.__all__ == listed
    assert all(hasattr(simplug.heads, name) for name in listed)


def test_a_label_beyond_the_classes_is_refused_and_named():
    x, y = examples(classes=5)
    loss = simplug.losses.build(PLAIN)
    state = {"weight": np.zeros((4, 6), "float32")}
    message = "Plain.num_classes is 4, so labels go from 0 to 3; one is 4"
    with pytest.raises(InvalidInputError, match=message):
        loss(y, x, state=state)
    with pytest.raises(InvalidInputError, match="one is -1"):
        loss(y - 1, x, state=state)
    model = small_model()
    model.compile("sgd", loss=PLAIN)
    with pytest.raises(Exception, match=r"Plain\.num_classes is 4, so labels go from 0 to 3"):
        model.fit(x, y, verbose=0)


def test_what_a_loss_cannot_take_is_refused_in_its_name():
    x, y = examples()
    for labels, embeddings, message in (
        (y[:-1], x, "Contrastive: 119 labels for 120 embeddings"),
        (y.astype("float32"), x, "Contrastive: labels must be integers, not float32"),
        (y, x[:, :, None], r"Contrastive: embeddings must have shape \(n, d\), not \(120, 6, 1\)"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            simplug.losses.build("contrastive")(labels, embeddings)
        with pytest.raises(Exception, match=message):
            simplug.heads.Contrastive()([embeddings, labels])


def test_a_loss_with_weights_says_where_they_can_live():
    x, y = examples()
    message = (
        "Plain keeps weight from step to step .* name it in SimilarityModel.compile.* the Keras layer simplug.Head"
    )
    with pytest.raises(InvalidInputError, match=message):
        simplug.losses.build(PLAIN)(y, x)
    with pytest.raises(InvalidInputError, match=message):
        ComponentLoss(PLAIN)(y, x)


def test_references_are_refused_by_a_loss_with_class_vectors():
    x, y = examples()
    with pytest.raises(InvalidInputError, match="Plain compares embeddings with what it keeps itself"):
        simplug.losses.build(PLAIN)(y, x, y, x, state={"weight": np.zeros((4, 6), "float32")})
